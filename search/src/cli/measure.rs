//! Checks and times written bundles with the runtime's program.
//!
//! This program itself never links ONNX Runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use mmnas_bundle::manifest::{Form, Measured};
use mmnas_bundle::{Bundle, Error as BundleError};
use mmnas_export::{FailedGraphs, Verified};
use serde::Deserialize;

/// Options of whatever runs the graphs of a bundle before it appears in its place.
#[derive(Args)]
pub(super) struct MeasureArguments {
    /// The program that checks and times the graphs before they are written; by default the `mmnas` beside this program
    #[arg(long, value_name = "MMNAS")]
    runtime: Option<PathBuf>,
    /// Neither check nor time the graphs
    #[arg(long)]
    no_measure: bool,
}

impl MeasureArguments {
    /// The program, where there is one and it is to be used; the user is told where there is none.
    pub(super) fn program(&self) -> mmnas_search::Result<Option<PathBuf>> {
        if self.no_measure {
            return Ok(None);
        }
        let program = program(self.runtime.as_deref())?;
        if program.is_none() {
            super::output::note(
                "the graphs are neither checked nor timed: there is no `mmnas` beside this program (--runtime names one)",
            );
        }
        Ok(program)
    }
}

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

/// What the program prints of a bundle.
#[derive(Deserialize)]
struct Report {
    checks: Vec<Check>,
    measured: Vec<Measured>,
}

#[derive(Deserialize)]
struct Check {
    stage: String,
    variant: String,
    /// None where the outputs cannot be compared.
    worst: Option<f64>,
    tolerance: f64,
    passed: bool,
    problem: Option<String>,
}

/// What the program ends with where a check did not pass.
const NOT_PASSED: i32 = 3;
/// What the program ends with where it finds no ONNX Runtime.
const NO_RUNTIME: i32 = 4;

/// How the program ended.
enum Ended {
    /// With a report, whether or not all checks passed.
    Report(Report),
    /// It found no ONNX Runtime.
    NoRuntime(String),
    /// Otherwise, with these words.
    Failed(String),
}

/// Runs `mmnas verify BUNDLE --time`, of one form where one is named.
fn verify(program: &Path, bundle: &Path, form: Option<Form>) -> std::io::Result<Ended> {
    let mut command = Command::new(program);
    command.arg("verify").arg(bundle).args(["--time", "--json"]);
    if let Some(form) = form {
        command.arg("--variant").arg(form.to_string());
    }
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let report = output.status.code().filter(|code| [0, NOT_PASSED].contains(code));
    Ok(match report.map(|_| serde_json::from_slice(&output.stdout)) {
        Some(Ok(report)) => Ended::Report(report),
        _ if output.status.code() == Some(NO_RUNTIME) => Ended::NoRuntime(told),
        _ if told.is_empty() => Ended::Failed(format!("it ended with {}", output.status)),
        _ => Ended::Failed(told),
    })
}

/// Runs every graph of the bundle, and tells which do not give what was recorded. Where the program fails altogether, as where a
/// graph cannot be loaded, each form is run by itself, so that it is known which one is to blame. Where there is no ONNX Runtime
/// nothing is measured, and the user is told.
///
/// # Errors
/// A program that cannot be run; a graph that fails and that all forms share.
pub(super) fn measure(program: &Path, bundle: &Path) -> mmnas_export::Result<Verified> {
    let failed = |found: String| mmnas_export::Error::Verify { program: program.to_path_buf(), found };
    let ended = |form| verify(program, bundle, form).map_err(|e| failed(e.to_string()));
    let reason = match ended(None)? {
        Ended::Report(report) => return of_report(report).map_err(failed),
        Ended::NoRuntime(reason) => {
            super::output::note(format_args!("the graphs are neither checked nor timed: {reason}"));
            return Ok(Verified::default());
        }
        Ended::Failed(reason) => reason,
    };
    let mut verified = Verified::default();
    for form in Bundle::open(bundle, false)?.manifest().forms() {
        match ended(Some(form))? {
            Ended::Report(report) => {
                let found = of_report(report).map_err(failed)?;
                verified.measured.extend(found.measured);
                verified.failed.extend(found.failed);
            }
            Ended::NoRuntime(reason) | Ended::Failed(reason) => {
                verified.failed.push(FailedGraphs { form, merged: false, reason });
            }
        }
    }
    // Each alone passes: it is no form's fault.
    if verified.failed.is_empty() { Err(failed(reason)) } else { Ok(verified) }
}

/// What was measured, with the failed checks of a form as one.
fn of_report(report: Report) -> Result<Verified, String> {
    let mut failed: Vec<FailedGraphs> = Vec::new();
    for check in report.checks.into_iter().filter(|check| !check.passed) {
        let reason = match (check.problem, check.worst) {
            (Some(problem), _) => format!("{}: {problem}", check.stage),
            (None, worst) => {
                let worst = worst.map_or("without bound".to_owned(), |worst| format!("by {worst:.3e}"));
                format!("{} differs {worst}, at most {:e} passes", check.stage, check.tolerance)
            }
        };
        let merged = check.stage == "merged";
        if !merged && !["text", "image", "fusion", "network"].contains(&check.stage.as_str()) {
            return Err(reason);
        }
        let form = check.variant.parse::<Form>().map_err(|e| e.to_string())?;
        match failed.iter_mut().find(|known| known.form == form && known.merged == merged) {
            Some(known) => known.reason = format!("{}; {reason}", known.reason),
            None => failed.push(FailedGraphs { form, merged, reason }),
        }
    }
    Ok(Verified { measured: report.measured, failed })
}
