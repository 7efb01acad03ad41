//! What a test leaves out because this machine lacks a tool: written down, so that `make test` tells it at its end.

use std::io::Write as _;

use crate::c_consumer::target_folder;

/// File in the target folder, one line a part of a test.
const FILE: &str = "skipped-tests.txt";

/// Notes that `what` was not tested, and why.
pub fn skip(what: &str, why: &str) {
    let line = format!("not tested: {what}: {why}\n");
    eprint!("{line}");
    let file = target_folder().map(|folder| folder.join(FILE));
    let file = file.unwrap_or_else(|e| panic!("{e}"));
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&file);
    opened
        .and_then(|mut opened| opened.write_all(line.as_bytes()))
        .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}
