//! Writes `include/mmnas_runtime.h`, as it follows from the sources of the C ABI.

use std::process::ExitCode;

use mmnas_tests::{c_consumer, header};

fn main() -> ExitCode {
    let root = c_consumer::workspace_root();
    let path = header::path(&root);
    let written = header::generate(&root)
        .and_then(|text| std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display())));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
