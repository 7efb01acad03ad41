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

/// The program `name`, to be run beside other tests: with ONNX Runtime from set-up and one thread of libtorch.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name).unwrap_or_else(|e| panic!("{e}")));
    command.env("MMNAS_ORT_DYLIB", onnxruntime()).env("OMP_NUM_THREADS", "1");
    command
}

/// `command` where no file may grow beyond `bytes`, which a process meets as it meets a full disk: write fails.
pub fn with_files_of_at_most(bytes: u64, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512)).arg("sh");
    limited.arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// Runs the program `name`.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    output(command(name).args(arguments)).unwrap_or_else(|e| panic!("{e}"))
}
