//! Programs in C that use the library, as others would: built by the system's compiler, against the committed header.
//!
//! [`Library::build`] builds and installs the libraries, [`Library::compile`] a program, [`run`] runs it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::skipped::skip;

/// The name that a program linked to the shared library asks for when it starts.
pub const SONAME: &str = "libmmnas_runtime.so.1";

/// What a program linked to the static library needs besides: what `rustc --print native-static-libs` says.
pub const STATIC_FLAGS: &[&str] = &["-lstdc++", "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// What a C program of ours must compile with.
pub const C_FLAGS: &[&str] = &["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

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

/// The installed library.
#[derive(Clone, Debug)]
pub struct Library {
    /// Where it was installed to.
    pub prefix: PathBuf,
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
    /// Installs the library by `make install`, and moves what was installed elsewhere, as users may. Cargo makes this cheap
    /// when the libraries are up to date, and waits where another test is building them.
    pub fn build() -> Result<Self, String> {
        static BUILT: OnceLock<Result<Library, String>> = OnceLock::new();
        BUILT.get_or_init(Self::build_now).clone()
    }

    fn build_now() -> Result<Self, String> {
        let target = target_folder()?;
        let test = env::current_exe().map_err(|error| format!("the running test: {error}"))?;
        let test = test.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = target.join("tmp").join(format!("installed-for-{test}"));
        let (first, prefix) = (folder.join("first"), folder.join("moved"));
        for path in [&first, &prefix] {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{}: {error}", path.display()));
                }
                _ => {}
            }
        }
        let mut make = Command::new("make");
        make.arg("--no-print-directory").arg("install").arg(format!("PREFIX={}", first.display()));
        succeed(make.env("CARGO_TARGET_DIR", &target).current_dir(workspace_root()))?;
        fs::rename(&first, &prefix).map_err(|error| format!("{}: {error}", first.display()))?;
        let library = Self { prefix };
        for path in [library.shared(), library.archive(), library.include().join("mmnas_runtime.h")] {
            if !path.is_file() {
                return Err(format!("{}: not installed", path.display()));
            }
        }
        Ok(library)
    }

    /// The folder of the libraries.
    pub fn lib(&self) -> PathBuf {
        self.prefix.join("lib")
    }

    /// The shared library.
    pub fn shared(&self) -> PathBuf {
        self.lib().join(SONAME)
    }

    /// The static library.
    pub fn archive(&self) -> PathBuf {
        self.lib().join("libmmnas_runtime.a")
    }

    /// The folder of the headers.
    pub fn include(&self) -> PathBuf {
        self.prefix.join("include")
    }

    /// Compiles a C or C++ file to a program in `folder`, and links it to the library, which a program that is linked to the
    /// shared one finds where it is. `flags` are for compiler and linker.
    pub fn compile(&self, source: &Path, linkage: Linkage, folder: &Path, flags: &[&str]) -> Result<PathBuf, String> {
        let stem = source.file_stem().ok_or_else(|| format!("{}: not a file", source.display()))?;
        let language = if source.extension().is_some_and(|e| e == "cpp") { Language::Cxx } else { Language::C };
        let mut cc = compiler(language);
        cc.args(language.flags()).args(flags).arg("-pthread").arg("-I").arg(self.include()).arg(source);
        let program = match linkage {
            Linkage::Shared => {
                cc.arg("-L").arg(self.lib()).arg("-lmmnas_runtime").arg(format!("-Wl,-rpath,{}", self.lib().display()));
                folder.join(format!("{}-shared", stem.display()))
            }
            Linkage::Static => {
                cc.arg(self.archive()).args(STATIC_FLAGS);
                folder.join(format!("{}-static", stem.display()))
            }
        };
        succeed(cc.args(["-lm", "-ldl"]).arg("-o").arg(&program))?;
        Ok(program)
    }

    /// The names that the shared library exports.
    pub fn exported_symbols(&self) -> Result<Vec<String>, String> {
        let output = succeed(Command::new("nm").args(["-D", "--defined-only", "-P"]).arg(self.shared()))?;
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

impl Language {
    /// What a program of ours must compile with.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Language::C => C_FLAGS,
            Language::Cxx => CXX_FLAGS,
        }
    }

    /// The compilers of this machine that a header is checked with: the usual one, gcc and clang.
    fn compilers(self) -> Vec<Command> {
        let others: &[&str] = match self {
            Language::C => &["gcc", "clang"],
            Language::Cxx => &["g++", "clang++"],
        };
        let mut compilers = vec![compiler(self)];
        for name in others {
            match has_program(name) {
                true => compilers.push(Command::new(name)),
                false => skip(&format!("the headers with {name}"), "it is not installed"),
            }
        }
        compilers
    }
}

/// Whether a program is there to be run.
pub fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Checks that a source file or header compiles, with every compiler that there is, without writing anything.
pub fn check_syntax(source: &Path, language: Language) -> Result<(), String> {
    let name = if language == Language::C { "c" } else { "c++" };
    let include = workspace_root().join("include");
    for mut compiler in language.compilers() {
        compiler.args(language.flags()).arg("-fsyntax-only").arg("-I").arg(&include).args(["-x", name]).arg(source);
        succeed(&mut compiler)?;
    }
    Ok(())
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

/// Runs a command to its end, however it ends.
///
/// # Errors
/// A program that cannot be started.
pub fn output(command: &mut Command) -> Result<Output, String> {
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
