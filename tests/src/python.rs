//! Other people's readers in Python, installed from pinned and hashed wheels into a folder of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use mmnas_bundle::sha256_hex;

use crate::c_consumer::{output, target_folder, workspace_root};

fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Packages of the tests.
const PACKAGES: &str = "requirements.txt";
/// Packages of the tests of image files.
const IMAGES: &str = "requirements-images.txt";
/// Packages of the example of a vector database.
const LANCEDB: &str = "requirements-lancedb.txt";

/// The folder with the packages of a file in `tests/python`; made by the first test that asks.
fn packages(file: &'static str) -> Result<PathBuf, String> {
    static INSTALLED: Mutex<BTreeMap<&str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.entry(file).or_insert_with(|| install(file)).clone()
}

fn install(file: &str) -> Result<PathBuf, String> {
    let requirements = workspace_root().join("tests/python").join(file);
    let content = std::fs::read(&requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    let version = output(python().args(["-c", "import sys; print(*sys.version_info[:2], sep='.')"]))?;
    let version = version.stdout.trim().to_owned();
    let folder = target_folder()?.join(format!("python-{version}-{}", &sha256_hex(&content)[..12]));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Renamed into place when it is whole; another test process that was faster leaves its own, which is the same.
    let partial = folder.with_extension(format!("{}.partial", std::process::id()));
    let mut pip = python();
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]);
    pip.args(["--disable-pip-version-check", "--root-user-action", "ignore", "--target"]);
    let installed = output(pip.arg(&partial).arg("-r").arg(&requirements))?;
    if installed.code != Some(0) {
        return Err(format!("pip cannot install tests/python/{file} (Python {version}): {}", installed.stderr));
    }
    if std::fs::rename(&partial, &folder).is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    Ok(folder)
}

/// Runs a script of `tests/python` with those packages; gives what it prints.
pub fn run(script: &str, arguments: &[&Path]) -> String {
    run_with(PACKAGES, &format!("tests/python/{script}"), arguments)
}

/// As [`run`], with Pillow.
pub fn run_with_pillow(script: &str, arguments: &[&Path]) -> String {
    run_with(IMAGES, &format!("tests/python/{script}"), arguments)
}

/// Runs the runtime's example of a vector database, LanceDB; gives what it prints.
pub fn run_vector_database(arguments: &[&Path]) -> String {
    run_with(LANCEDB, "runtime/examples/vector_database.py", arguments)
}

fn run_with(file: &'static str, script: &str, arguments: &[&Path]) -> String {
    let script = workspace_root().join(script);
    let packages = packages(file).unwrap_or_else(|e| panic!("{e}"));
    let output =
        output(python().arg(&script).args(arguments).env("PYTHONPATH", packages)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(output.code, Some(0), "{}: {}{}", script.display(), output.stdout, output.stderr);
    output.stdout.trim().to_owned()
}
