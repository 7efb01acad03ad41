//! Programs in C under tools that watch memory. They take longest, and this file's name puts them first.

use std::process::Command;

use mmnas_tests::c_consumer::{Linkage, has_program, workspace_root};
use mmnas_tests::programs::onnxruntime;
use mmnas_tests::skipped::skip;

use crate::programs::{compiled, everything, lives};

#[test]
fn address_sanitizer_finds_nothing() {
    let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Without the C++ library among the first, an exception that ONNX Runtime throws and catches would end the process.
    let flags = ["-fsanitize=address", "-g", "-Wl,--no-as-needed", "-lstdc++"];
    lives(&compiled("every_call.c", Linkage::Shared, folder.path(), &flags), &everything(scratch.path()));
    lives(&compiled("misuse.c", Linkage::Shared, folder.path(), &flags), &[]);
}

#[test]
fn valgrind_finds_nothing() {
    if !has_program("valgrind") {
        return skip("the C library under valgrind", "valgrind is not installed");
    }
    let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let suppressions = workspace_root().join("tests/c/valgrind.supp");
    let watched = |name: &str, arguments: &[&str]| {
        let program = compiled(name, Linkage::Shared, folder.path(), &["-g"]);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
        valgrind.arg(format!("--suppressions={}", suppressions.display())).arg("--fair-sched=yes");
        valgrind.arg(&program).args(arguments).env_remove("LD_LIBRARY_PATH").env("MMNAS_ORT_DYLIB", onnxruntime());
        let output = valgrind.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), out.trim()), (Some(0), "alive"), "{name}: {err}");
    };
    watched("misuse.c", &[]);
    watched("every_call.c", &everything(scratch.path()));
}
