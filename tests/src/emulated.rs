//! The workspace's programs on processors that this machine does not have, by QEMU's emulation of a process.

use std::process::Command;

use crate::c_consumer::{Output, output};
use crate::programs::{onnxruntime, program};
use crate::skipped::skip;

/// Has AVX2, and no instruction that adds products of 8-bit numbers in 32 bits (VNNI).
pub const WITHOUT_VNNI: &str = "Haswell";
/// Has no AVX at all.
pub const WITHOUT_AVX: &str = "Nehalem";

/// The emulator's names: Debian's, which needs no other library, and the usual one.
const EMULATORS: [&str; 2] = ["qemu-x86_64-static", "qemu-x86_64"];

fn emulator() -> Option<&'static str> {
    let there = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    EMULATORS.iter().find(there).copied()
}

/// Runs the program `name` on the processor `cpu`; none where that cannot be, which is noted.
pub fn run_on(cpu: &str, name: &str, arguments: &[&str]) -> Option<Output> {
    let Some(emulator) = emulator().filter(|_| cfg!(all(target_arch = "x86_64", target_os = "linux"))) else {
        let why = format!("there is no {} (Debian: apt install qemu-user-static)", EMULATORS.join(" or "));
        skip(&format!("{name} {} on a {cpu}", arguments.first().unwrap_or(&"")), &why);
        return None;
    };
    let program = program(name).unwrap_or_else(|e| panic!("{e}"));
    let mut command = Command::new(emulator);
    command.args(["-cpu", cpu]).arg(program).args(arguments).env("MMNAS_ORT_DYLIB", onnxruntime());
    Some(output(&mut command).unwrap_or_else(|e| panic!("{emulator}: {e}")))
}
