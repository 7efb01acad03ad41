//! The committed header is what the sources say, compiles, and declares what the library exports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mmnas_tests::c_consumer::{Language, Library, check_syntax, workspace_root};
use mmnas_tests::header;

fn committed() -> Result<String, String> {
    let path = header::path(&workspace_root());
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = header::generate(&workspace_root()).unwrap();
    assert!(
        committed().unwrap() == generated,
        "include/mmnas_runtime.h is out of date; write it anew with `cargo run -p mmnas-tests --bin update-header`"
    );
}

#[test]
fn the_header_compiles_alone_as_c11() {
    check_syntax(&header::path(&workspace_root()), Language::C).unwrap();
}

#[test]
fn the_header_compiles_alone_as_cxx17() {
    check_syntax(&header::path(&workspace_root()), Language::Cxx).unwrap();
}

#[test]
fn the_cxx_header_compiles_alone() {
    check_syntax(&workspace_root().join("include/mmnas_runtime.hpp"), Language::Cxx).unwrap();
}

#[test]
fn the_example_in_the_cxx_header_compiles() {
    let path = workspace_root().join("include/mmnas_runtime.hpp");
    let header = fs::read_to_string(&path).unwrap();
    let lines = header.lines().filter_map(|line| line.strip_prefix("//     "));
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_of_the_cxx_header.cpp");
    fs::write(&source, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert!(fs::read_to_string(&source).unwrap().contains("int main()"));
    check_syntax(&source, Language::Cxx).unwrap();
}

#[test]
fn every_function_is_called_with_null_by_a_test() {
    let path = workspace_root().join("tests/c/misuse.c");
    let called = header::functions(&fs::read_to_string(&path).unwrap());
    // These take nothing, or a number.
    let without = ["mmnas_handles_live", "mmnas_onnxruntime_path", "mmnas_onnxruntime_version"];
    let missing: Vec<_> =
        header::functions(&committed().unwrap()).into_iter().filter(|name| !called.contains(name)).collect();
    let missing: Vec<_> = missing.iter().filter(|name| !without.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_example_in_the_header_compiles() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_of_the_header.c");
    fs::write(&source, header::example(&committed().unwrap()).unwrap()).unwrap();
    check_syntax(&source, Language::C).unwrap();
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let exported: BTreeSet<_> = Library::build().unwrap().exported_symbols().unwrap().into_iter().collect();
    let declared = header::functions(&committed().unwrap());
    assert!(declared.contains("mmnas_model_load"), "{declared:?}");
    // Not only the names with our prefix: any other would be a name that the host may have a different use for.
    assert_eq!(exported, declared);
    // What an ABI has promised once: a name that goes is a new MMNAS_ABI_VERSION.
    let path = workspace_root().join("ffi/packaging/symbols.txt");
    let listed: BTreeSet<_> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(exported, listed, "{}: `cargo run -p mmnas-tests --bin update-header` writes it", path.display());
}
