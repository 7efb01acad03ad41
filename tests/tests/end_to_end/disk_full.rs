//! A disk that is full, or a file that cannot be written, ends a run with an error and loses no earlier checkpoint.

use std::process::Stdio;

use mmnas_tests::programs::with_files_of_at_most;

use crate::search_command;

/// Runs until there is a checkpoint, then kills the process.
fn start(out: &std::path::Path) -> Vec<u8> {
    let mut running = search_command(out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let checkpoint = out.join("checkpoint.safetensors");
    for _ in 0..3_000 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    std::fs::read(&checkpoint).unwrap()
}

#[test]
fn a_full_disk_loses_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let before = start(&out);
    let output = with_files_of_at_most(before.len() as u64 / 2, &search_command(&out)).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let last = error.lines().last().unwrap();
    assert!(last.contains("checkpoint.safetensors") && last.contains("File too large"), "{last}");
    assert!(std::fs::read(out.join("checkpoint.safetensors")).unwrap() == before, "the checkpoint is the earlier one");
    // With room again the run goes on, and what unfinished writes left is gone.
    assert!(search_command(&out).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let mut names = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.starts_with(".mmnas-unfinished")));
}

#[test]
fn a_run_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut running = search_command(&out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..3_000 {
        if out.join("recipe.toml").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let second = search_command(&out).output().unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(second.status.code() == Some(1) && error.contains("another process works on this run"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let output = search_command(&folder.path().join("file/run")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("file/run"), "{error}");
}
