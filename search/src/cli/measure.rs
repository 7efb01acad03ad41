//! The runtime's program checks and times what was written. This program itself never links ONNX Runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::manifest::Measured;
use serde::Deserialize;

/// The program that was named, which must be there, or the `mmnas` beside this one, where there is one.
pub(super) fn program(named: Option<&Path>) -> mmnas_search::Result<Option<PathBuf>> {
    if let Some(named) = named {
        // A bare name would be looked for among the system's programs, not here.
        return Ok(Some(named.canonicalize().map_err(BundleError::io(named, "read"))?));
    }
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(format!("mmnas{}", std::env::consts::EXE_SUFFIX))));
    Ok(beside.filter(|program| program.is_file()))
}

#[derive(Deserialize)]
struct Report {
    measured: Vec<Measured>,
}

/// What the program ends with where it finds no ONNX Runtime.
const NO_RUNTIME: i32 = 4;

/// Runs `mmnas verify BUNDLE --time`; an error where the bundle does not run or does not give what was recorded. Where there
/// is no ONNX Runtime nothing is measured, and the user is told.
pub(super) fn measure(program: &Path, bundle: &Path) -> mmnas_export::Result<Vec<Measured>> {
    let failed = |found: String| mmnas_export::Error::Verify { program: program.to_path_buf(), found };
    let output = Command::new(program).arg("verify").arg(bundle).args(["--time", "--json"]).output();
    let output = output.map_err(|e| failed(e.to_string()))?;
    if output.status.code() == Some(NO_RUNTIME) {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        super::output::note(format_args!("the graphs are neither checked nor timed: {reason}"));
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|e| failed(e.to_string()))?;
    Ok(report.measured)
}
