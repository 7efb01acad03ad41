//! Programs in C and C++, linked both ways.

use std::path::Path;
use std::process::Command;

use mmnas_tests::c_consumer::{Library, Linkage, Output, run, workspace_root};
use mmnas_tests::programs::onnxruntime;

use crate::{GIVEN, text};

pub(crate) fn compiled(name: &str, linkage: Linkage, folder: &Path, flags: &[&str]) -> std::path::PathBuf {
    let source = workspace_root().join("tests/c").join(name);
    Library::build().unwrap().compile(&source, linkage, folder, flags).unwrap()
}

pub(crate) fn lives(program: &Path, arguments: &[&str]) {
    let output = run(program, arguments, [("MMNAS_ORT_DYLIB", onnxruntime())]).unwrap();
    check(program, &output);
}

fn check(program: &Path, output: &Output) {
    let found = (output.code, output.stdout.trim(), output.stderr.trim());
    assert_eq!(found, (Some(0), "alive", ""), "{}", program.display());
}

/// What the programs that use everything are given: the last is a new folder to write to.
pub(crate) fn everything(scratch: &Path) -> [&str; 5] {
    [text(&GIVEN.vqa), text(&GIVEN.itm), text(&GIVEN.vgd), text(&GIVEN.image), text(scratch)]
}

#[test]
fn every_call_from_c_does_what_the_header_says() {
    for linkage in [Linkage::Shared, Linkage::Static] {
        let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        lives(&compiled("every_call.c", linkage, folder.path(), &[]), &everything(scratch.path()));
    }
}

#[test]
fn every_class_from_cxx_does_what_the_header_says() {
    // In both ways of linking, and in both editions of the language.
    for (linkage, edition) in [(Linkage::Shared, "-std=c++17"), (Linkage::Static, "-std=c++20")] {
        let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        lives(&compiled("every_class.cpp", linkage, folder.path(), &[edition]), &everything(scratch.path()));
    }
}

#[test]
fn calls_without_time_and_cancelled_searches_end_from_c() {
    let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lives(&compiled("limits.c", Linkage::Shared, folder.path(), &[]), &everything(scratch.path()));
}

#[test]
fn null_wrong_lengths_and_freed_handles_are_errors_and_the_host_lives() {
    for linkage in [Linkage::Shared, Linkage::Static] {
        let folder = tempfile::tempdir().unwrap();
        lives(&compiled("misuse.c", linkage, folder.path(), &[]), &[]);
    }
}

#[test]
fn sixty_four_threads_get_what_one_gets() {
    let folder = tempfile::tempdir().unwrap();
    let program = compiled("hammer.c", Linkage::Shared, folder.path(), &[]);
    lives(&program, &[text(&GIVEN.vqa), text(&GIVEN.image)]);
}

#[test]
fn a_host_opens_and_closes_the_library_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::build().unwrap();
    let source = workspace_root().join("tests/c/unload.c");
    let program = library.compile(&source, Linkage::Shared, folder.path(), &["-Wl,--as-needed"]).unwrap();
    lives(&program, &[text(&library.shared()), text(&GIVEN.vqa), text(&GIVEN.image)]);
}

#[test]
fn a_host_that_frees_nothing_ends_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let program = compiled("leave.c", Linkage::Shared, folder.path(), &[]);
    for way in ["return", "exit", "thread", "quick"] {
        let arguments = [text(&GIVEN.vqa), text(&GIVEN.image), way];
        let output = run(&program, arguments, [("MMNAS_ORT_DYLIB", onnxruntime())]).unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (Some(7), ""), "{way}");
    }
}

#[test]
fn a_host_keeps_an_onnx_runtime_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("libonnxruntime.so");
    std::fs::copy(onnxruntime(), &other).unwrap();
    let program = compiled("beside.c", Linkage::Shared, folder.path(), &[]);
    lives(&program, &[text(&other), text(&GIVEN.vqa), text(&GIVEN.image)]);
}

#[test]
fn onnx_runtime_is_found_beside_the_library() {
    let (folder, lib) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let library = Library::build().unwrap();
    let installed = lib.path().join(library.shared().file_name().unwrap());
    std::fs::copy(library.shared(), &installed).unwrap();
    std::os::unix::fs::symlink(onnxruntime().canonicalize().unwrap(), lib.path().join("libonnxruntime.so")).unwrap();
    let program = compiled("hammer.c", Linkage::Shared, folder.path(), &[]);
    let mut command = Command::new(&program);
    command.args([&GIVEN.vqa, &GIVEN.image]).env_remove("MMNAS_ORT_DYLIB").env("LD_LIBRARY_PATH", lib.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
