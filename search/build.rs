//! Binaries and tests of this package find libtorch where it was linked from, without LD_LIBRARY_PATH; artefacts record the
//! commit that the programs were built from.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    // Every commit adds a line to this log. Outside a repository (a published crate) there is none, and no commit.
    let log = Path::new("../.git/logs/HEAD");
    if log.is_file() {
        println!("cargo:rerun-if-changed={}", log.display());
        let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
        if let Some(commit) = commit.ok().filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok())
        {
            println!("cargo:rustc-env=MMNAS_COMMIT={}", commit.trim());
        }
    }
}
