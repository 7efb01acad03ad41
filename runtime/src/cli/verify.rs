use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::{LoadOptions, StageCheck, VerifyReport, verify};
use serde_json::json;

use super::{Failure, output};

const NOTES: &str = "\
Every fp32 graph runs on the inputs that were recorded when the bundle was written;
\"network\" runs the stages one after the other. A difference is
|found - recorded| / max(1, |recorded|): absolute for small numbers, relative for
large ones. The exit code is 3 where one is above the tolerance.

Examples:
  mmnas verify bundle
  mmnas verify bundle --json";

#[derive(Args)]
#[command(after_help = NOTES)]
pub(super) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let report = verify(&arguments.bundle, options)?;
    let printed = print(&report, arguments.json);
    // A difference is told by the exit code even where nobody reads the table.
    report.check()?;
    printed
}

fn print(report: &VerifyReport, json: bool) -> Result<(), Failure> {
    if json {
        // JSON has no infinity: a difference that cannot be told is null, with the problem beside it.
        output::print_json(&json!({
            "bundle": report.bundle,
            "passed": report.passed(),
            "worst": report.worst(),
            "checks": report.checks,
        }))
    } else {
        Ok(output::print(&text(report))?)
    }
}

fn text(report: &VerifyReport) -> String {
    let mut rows = vec![["stage", "file", "worst difference", "tolerance", "result"].map(str::to_owned).to_vec()];
    rows.extend(report.checks.iter().map(row));
    format!("{}largest difference {:.3e}\n", output::table(&rows, &[2, 3]), report.worst())
}

fn row(check: &StageCheck) -> Vec<String> {
    let result = match (&check.problem, check.passed) {
        (Some(problem), _) => format!("FAIL ({problem})"),
        (None, true) => "pass".to_owned(),
        (None, false) => "FAIL".to_owned(),
    };
    let (worst, tolerance) = (format!("{:.3e}", check.worst), format!("{:.0e}", check.tolerance));
    vec![check.stage.clone(), check.file.clone(), worst, tolerance, result]
}
