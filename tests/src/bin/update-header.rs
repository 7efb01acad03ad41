//! Writes `include/mmnas_runtime.h`, as it follows from the sources of the C ABI, and `ffi/packaging/symbols.txt`, the names in
//! it. With `--stub FILE` it writes a C file instead, whose library `make abi` describes for the next release to compare with.

use std::path::Path;
use std::process::ExitCode;

use mmnas_tests::{c_consumer, header};

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn update(root: &Path, text: &str) -> Result<(), String> {
    let symbols: Vec<String> = header::functions(text).into_iter().collect();
    write(&root.join("ffi/packaging/symbols.txt"), &(symbols.join("\n") + "\n"))?;
    write(&header::path(root), text)
}

fn main() -> ExitCode {
    let root = c_consumer::workspace_root();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = header::generate(&root).and_then(|text| match &arguments[..] {
        [] => update(&root, &text),
        [option, file] if option == "--stub" => write(Path::new(file), &header::stub(&text)),
        _ => Err("usage: update-header [--stub FILE]".to_owned()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
