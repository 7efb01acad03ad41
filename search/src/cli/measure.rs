//! The runtime's program checks and times what was written. This program itself never links ONNX Runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::manifest::Measured;
use serde::Deserialize;

/// The program that was named, which must be there, or the `mmnas` beside this one, where there is one.
pub(super) fn program(named: Option<&Path>) -> mmnas_search::Result<Option<PathBuf>> {
    if let Some(named) = named {
        named.metadata().map_err(BundleError::io(named, "read"))?;
        return Ok(Some(named.to_path_buf()));
    }
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(format!("mmnas{}", std::env::consts::EXE_SUFFIX))));
    Ok(beside.filter(|program| program.is_file()))
}

#[derive(Deserialize)]
struct Report {
    measured: Vec<Measured>,
}

/// Runs `mmnas verify BUNDLE --time`; an error where the bundle does not give what was recorded.
pub(super) fn measure(program: &Path, bundle: &Path) -> mmnas_export::Result<Vec<Measured>> {
    let failed = |found: String| mmnas_export::Error::Verify { program: program.to_path_buf(), found };
    let output = Command::new(program).arg("verify").arg(bundle).args(["--time", "--json"]).output();
    let output = output.map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|e| failed(e.to_string()))?;
    Ok(report.measured)
}
