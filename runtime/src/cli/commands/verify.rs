//! The command `verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_runtime::bundle::Error as BundleError;
use mmnas_runtime::bundle::manifest::MANIFEST;
use mmnas_runtime::{Error, LoadOptions, StageCheck, Timed, VerifyReport, verify};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;

const NOTES: &str = "\
Every graph runs on the inputs that were recorded when the bundle was written;
\"network\" runs the stages of a form one after the other. In 32 bits a difference is
|found - recorded| / max(1, |recorded|) of a number: absolute for small ones, relative
for large ones. In fp16 and int8 it is |found - recorded| / |recorded| of an output as
a vector.

The exit code is 3 where a difference is above the tolerance, and where a file of the
bundle is missing, damaged or not as long as the manifest says; it is 1 where the bundle
cannot be checked: no folder, no manifest that can be read, a graph that does not run.
An ort-int8 or portable-int8 form that fails on a processor without VNNI instructions is
one of an earlier export: `mmnas-search requantise` rounds its weights anew.

Examples:
  mmnas verify bundle
  mmnas verify bundle --variant ort-int8 --time
  mmnas verify bundle --provider cuda --json";

#[derive(Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Time the graphs too, on the first recorded item
    #[arg(long)]
    time: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let timed = if arguments.time { Timed::Yes } else { Timed::No };
    let report = verify(&arguments.bundle, options, timed).map_err(|error| {
        if tells_damage(&error, &arguments.bundle) { Failure::Damaged(error) } else { Failure::Library(error) }
    })?;
    let printed = print(&report, arguments.json);
    // A difference is told by the exit code even where nobody reads the table.
    report.check()?;
    printed
}

/// Whether an error is about a file that the manifest records, and not about the manifest or the folder.
fn tells_damage(error: &Error, folder: &Path) -> bool {
    let Error::Bundle(error) = error else { return false };
    let file = match error {
        BundleError::Hash { file, .. } | BundleError::Invalid { file, .. } => file,
        BundleError::Io { path, .. } => path,
        _ => return false,
    };
    file != folder && *file != folder.join(MANIFEST)
}

fn print(report: &VerifyReport, json: bool) -> Result<(), Failure> {
    if json {
        // JSON has no infinity: a difference that cannot be told is null, with the problem beside it.
        output::print_json(&json!({
            "bundle": report.bundle,
            "passed": report.passed(),
            "provider": report.provider,
            "checks": report.checks,
            "measured": report.measured,
        }))
    } else {
        Ok(output::print(&text(report))?)
    }
}

fn text(report: &VerifyReport) -> String {
    let timed = report.checks.iter().any(|check| check.milliseconds.is_some());
    let mut heading = vec!["stage", "variant", "file", "worst difference", "tolerance", "result"];
    heading.extend(timed.then_some("milliseconds"));
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
    rows.extend(report.checks.iter().map(row));
    let passed = report.checks.iter().filter(|check| check.passed).count();
    let total = report.checks.len();
    format!("{}{passed} of {total} checks passed on {}\n", output::table(&rows, &[3, 4, 6]), report.provider)
}

fn row(check: &StageCheck) -> Vec<String> {
    let result = match (&check.problem, check.passed) {
        (Some(problem), _) => format!("FAIL ({problem})"),
        (None, true) => "pass".to_owned(),
        (None, false) => "FAIL".to_owned(),
    };
    let (worst, tolerance) = (format!("{:.3e}", check.worst), format!("{:.0e}", check.tolerance));
    let mut row = vec![check.stage.clone(), check.form.to_string(), check.file.clone(), worst, tolerance, result];
    row.extend(check.milliseconds.map(|ms| format!("{ms:.3}")));
    row
}
