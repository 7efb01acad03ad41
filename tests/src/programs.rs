//! The workspace's own binaries, run as a user runs them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::c_consumer::{Output, output, succeed, target_folder, workspace_root};

/// ONNX Runtime, as set-up installed it.
pub fn onnxruntime() -> PathBuf {
    workspace_root().join(".native/onnxruntime/libonnxruntime.so")
}

/// The program or example `name` (`mmnas`, `mmnas-search`, `examples/service`), built in release mode where it is not up to
/// date.
pub fn program(name: &str) -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        let target = target_folder()?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // The choice for which cargo takes the features that `cargo test --workspace` has built everything with: any other one
        // would build most of it a second time.
        cargo.args(["build", "--release", "--locked", "--workspace", "--bins", "--examples", "--target-dir"]);
        succeed(cargo.arg(&target).current_dir(workspace_root()))?;
        Ok(target.join("release"))
    };
    Ok(BUILT.get_or_init(build).clone()?.join(name))
}

/// Runs the program `name` with ONNX Runtime from set-up.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    let program = program(name).unwrap_or_else(|e| panic!("{e}"));
    output(Command::new(program).args(arguments).env("MMNAS_ORT_DYLIB", onnxruntime()))
        .unwrap_or_else(|e| panic!("{e}"))
}
