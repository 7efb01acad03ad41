//! The arrows between the crates run one way: what a crate must not know is not in its dependencies.

use std::process::Command;

use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::imports::{Crate, Import, circle};

fn dependencies(package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "-p", package])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_crate_knows_only_what_it_may() {
    let forbidden: [(&str, &[&str]); 5] = [
        ("mmnas-bundle", &["ort ", "tch ", "torch-sys ", "mmnas-runtime ", "mmnas-export ", "mmnas-search "]),
        ("mmnas-runtime", &["tch ", "torch-sys ", "mmnas-export ", "mmnas-search "]),
        ("mmnas-ffi", &["tch ", "torch-sys ", "mmnas-export ", "mmnas-search "]),
        ("mmnas-export", &["ort ", "tch ", "torch-sys ", "mmnas-runtime ", "mmnas-search "]),
        ("mmnas-search", &["ort ", "mmnas-runtime "]),
    ];
    for (package, names) in forbidden {
        let tree = dependencies(package);
        assert!(tree.starts_with(package));
        for name in names {
            assert!(!tree.lines().any(|line| line.starts_with(name)), "{package} depends on {name}");
        }
    }
}

/// The rooms of mmnas-search, ground floor first: a module imports only from rooms that stand before its own.
const ROOMS: [&str; 20] = [
    "error",
    "seed",
    "device",
    "precision",
    "progress",
    "recipe",
    "nn",
    "operations",
    "space",
    "model",
    "strategy",
    "run",
    "data",
    "scenes",
    "task",
    "train",
    "pareto",
    "report",
    "compare",
    "bundle",
];

fn source(folder: &str) -> Crate {
    Crate::read(&workspace_root().join(folder))
}

fn place(import: &Import) -> String {
    let file = import.file.strip_prefix(workspace_root()).unwrap_or(&import.file);
    format!("{}:{} takes {} of {}", file.display(), import.line, import.symbol, import.to.join("::"))
}

#[test]
fn a_room_of_search_imports_only_from_earlier_rooms() {
    let rank = |module: &[String]| {
        let room = module.first().map_or("", String::as_str);
        ROOMS.iter().position(|known| *known == room)
    };
    let imports = source("search/src").imports();
    assert!(imports.len() > 500, "{} imports were read", imports.len());
    let mut wrong = Vec::new();
    for import in &imports {
        // The root hands on what the crate's users need most; who is inside goes to the room itself.
        match (rank(&import.from), rank(&import.to)) {
            (Some(from), Some(to)) if to <= from => {}
            _ if import.from.is_empty() => {}
            _ => wrong.push(place(import)),
        }
    }
    assert!(wrong.is_empty(), "these go up:\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["search/src", "search/export/src", "runtime/bundle/src", "runtime/src", "ffi/src"] {
        let imports = source(folder).imports();
        if let Some(circle) = circle(&imports) {
            let lines: Vec<String> = circle.into_iter().map(place).collect();
            panic!("{folder}: a circle:\n{}", lines.join("\n"));
        }
    }
}
