//! Programs in C that use the library, as others would: built by the system's compiler, against the committed header.
//!
//! [`Library::build`] builds the libraries, [`Library::compile`] a program, [`run`] runs it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The name that a program linked to the shared library asks for when it starts.
pub const SONAME: &str = "libmmnas_runtime.so.1";

/// What a program linked to the static library needs besides: what `rustc --print native-static-libs` says.
pub const STATIC_FLAGS: &[&str] = &["-lstdc++", "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// What a C program of ours must compile with.
pub const C_FLAGS: &[&str] = &["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// What a C++ program of ours must compile with.
pub const CXX_FLAGS: &[&str] = &["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// To `libmmnas_runtime.so`.
    Shared,
    /// To `libmmnas_runtime.a`.
    Static,
}

/// The built library.
#[derive(Clone, Debug)]
pub struct Library {
    /// `libmmnas_runtime.so`.
    pub shared: PathBuf,
    /// `libmmnas_runtime.a`.
    pub archive: PathBuf,
    /// The folder of the header.
    pub include: PathBuf,
}

/// What a program has left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

impl Library {
    /// Builds both libraries in release mode, in the target folder of the running test. Cargo makes this cheap when
    /// they are up to date, and waits where another test is building them.
    pub fn build() -> Result<Self, String> {
        static BUILT: OnceLock<Result<Library, String>> = OnceLock::new();
        BUILT.get_or_init(Self::build_now).clone()
    }

    fn build_now() -> Result<Self, String> {
        let target = target_folder()?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--locked", "--package", "mmnas-ffi", "--target-dir"]).arg(&target);
        succeed(cargo.current_dir(workspace_root()))?;
        let release = target.join("release");
        let library = Self {
            shared: release.join("libmmnas_runtime.so"),
            archive: release.join("libmmnas_runtime.a"),
            include: workspace_root().join("include"),
        };
        for path in [&library.shared, &library.archive] {
            if !path.is_file() {
                return Err(format!("{}: cargo has built no such library", path.display()));
            }
        }
        Ok(library)
    }

    /// Compiles a C file to a program in `folder`, and links it to the library. For the shared one, `folder` gets the
    /// links that an installation has, and the program finds them there, so keep the folder.
    pub fn compile(&self, source: &Path, linkage: Linkage, folder: &Path) -> Result<PathBuf, String> {
        let stem = source.file_stem().ok_or_else(|| format!("{}: not a file", source.display()))?;
        let mut cc = compiler(Language::C);
        cc.args(C_FLAGS).arg("-I").arg(&self.include).arg(source);
        let program = match linkage {
            Linkage::Shared => {
                let lib = folder.join("lib");
                self.install_shared(&lib)?;
                cc.arg("-L").arg(&lib).arg("-lmmnas_runtime").arg(format!("-Wl,-rpath,{}", lib.display()));
                folder.join(format!("{}-shared", stem.display()))
            }
            Linkage::Static => {
                cc.arg(&self.archive).args(STATIC_FLAGS);
                folder.join(format!("{}-static", stem.display()))
            }
        };
        succeed(cc.arg("-o").arg(&program))?;
        Ok(program)
    }

    /// Gives the shared library, in `lib`, the two names that an installation gives it.
    pub fn install_shared(&self, lib: &Path) -> Result<(), String> {
        fs::create_dir_all(lib).map_err(|error| format!("{}: {error}", lib.display()))?;
        link(&self.shared, &lib.join(SONAME))?;
        link(Path::new(SONAME), &lib.join("libmmnas_runtime.so"))
    }

    /// The names that the shared library exports.
    pub fn exported_symbols(&self) -> Result<Vec<String>, String> {
        let output = succeed(Command::new("nm").args(["-D", "--defined-only", "-P"]).arg(&self.shared))?;
        Ok(output.stdout.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }
}

/// The language of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C11.
    C,
    /// C++17.
    Cxx,
}

/// Checks that a source file or header compiles, without writing anything.
pub fn check_syntax(source: &Path, language: Language) -> Result<(), String> {
    let (flags, name) = match language {
        Language::C => (C_FLAGS, "c"),
        Language::Cxx => (CXX_FLAGS, "c++"),
    };
    let include = workspace_root().join("include");
    let mut compiler = compiler(language);
    compiler.args(flags).arg("-fsyntax-only").arg("-I").arg(include).args(["-x", name]).arg(source);
    succeed(&mut compiler).map(|_| ())
}

/// Runs a program with more or changed variables in its environment.
pub fn run<Argument, Name, Value>(
    program: &Path,
    arguments: impl IntoIterator<Item = Argument>,
    environment: impl IntoIterator<Item = (Name, Value)>,
) -> Result<Output, String>
where
    Argument: AsRef<OsStr>,
    Name: AsRef<OsStr>,
    Value: AsRef<OsStr>,
{
    // Cargo points LD_LIBRARY_PATH at its target folder; a program must find the library without that.
    let mut command = Command::new(program);
    output(command.env_remove("LD_LIBRARY_PATH").args(arguments).envs(environment))
}

fn compiler(language: Language) -> Command {
    let (variable, default) = match language {
        Language::C => ("CC", "cc"),
        Language::Cxx => ("CXX", "c++"),
    };
    Command::new(env::var_os(variable).unwrap_or_else(|| default.into()))
}

/// The target folder that cargo built the running test in, wherever `--target-dir` or a configuration put it.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let test = env::current_exe().map_err(|error| format!("the running test: {error}"))?;
    // A test is TARGET/PROFILE/deps/NAME, or TARGET/TRIPLE/PROFILE/deps/NAME. Cargo marks TARGET when it makes it.
    let marked = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let target = marked.or_else(|| {
        let deps = test.ancestors().find(|folder| folder.ends_with("deps"))?;
        deps.parent()?.parent()
    });
    target.map(Path::to_owned).ok_or_else(|| format!("{}: not in a target folder", test.display()))
}

fn link(original: &Path, link: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", link.display());
    match fs::remove_file(link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => std::os::unix::fs::symlink(original, link).map_err(failed),
    }
}

pub(crate) fn output(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

pub(crate) fn succeed(command: &mut Command) -> Result<Output, String> {
    let output = output(command)?;
    if output.code == Some(0) {
        return Ok(output);
    }
    let code = output.code.map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"));
    Err(format!("{command:?} ended with {code}:\n{}{}", output.stdout, output.stderr))
}
