//! The arrows between the crates run one way: what a crate must not know is not in its dependencies.

use std::process::Command;

use mmnas_tests::c_consumer::workspace_root;

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
