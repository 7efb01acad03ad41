//! The command `verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_runtime::bundle::latency::costs::{NetworkCosts, Predicted};
use mmnas_runtime::bundle::latency::quantity::Quantity;
use mmnas_runtime::bundle::latency::table::LatencyTable;
use mmnas_runtime::bundle::manifest::{Form, MANIFEST, Manifest};
use mmnas_runtime::bundle::{Bundle, Error as BundleError};
use mmnas_runtime::{Error, LoadOptions, StageCheck, Timed, VerifyReport, verify};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output;

const NOTES: &str = "\
Every graph runs on the inputs that were recorded when the bundle was written;
\"network\" runs the stages of a form one after the other. In 32 bits a difference is
|found - recorded| / max(1, |recorded|), with the largest |recorded| of a row: absolute
for small rows, relative for large ones. Numbers of the vision stage and of outputs of one
dimension count each for itself. In fp16 and int8 it is |found - recorded| / |recorded| of
an output as a vector.

The exit code is 3 where a difference is above the tolerance, and where a file of the
bundle is missing, damaged or not as long as the manifest says; it is 1 where the bundle
cannot be checked: no folder, no manifest that can be read, a graph that does not run.
An ort-int8 or portable-int8 form that fails on a processor without VNNI instructions is
one of an earlier export: `mmnas-search requantise` rounds its weights anew.

With --latency a column says what `mmnas profile` lets expect of each stage. Predicted and measured
are comparable on the same device, with the same --threads, and at the same numbers of tokens and
regions: those of the table and of the first recorded item are told where they differ.

Examples:
  mmnas verify bundle
  mmnas verify bundle --variant ort-int8 --time
  mmnas verify bundle --time --latency latency.json --threads 1
  mmnas verify bundle --provider cuda --json";

#[derive(Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Time the graphs too, on the first recorded item
    #[arg(long)]
    time: bool,
    /// What `mmnas profile` wrote: predicted milliseconds beside measured ones
    #[arg(long, value_name = "FILE", requires = "time")]
    latency: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let timed = if arguments.time { Timed::Yes } else { Timed::No };
    // A table of another network is told before anything runs.
    if let Some(file) = &arguments.latency {
        read_table(&arguments.bundle, file)?;
    }
    let report = verify(&arguments.bundle, options, timed).map_err(|error| {
        if tells_damage(&error, &arguments.bundle) { Failure::Damaged(error) } else { Failure::Library(error) }
    })?;
    let predictions = arguments.latency.as_deref().map(|file| predictions(&arguments.bundle, file, &report));
    let printed = print(&report, predictions.transpose()?.as_ref(), arguments.json);
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

/// What a table says of the bundle's network.
struct Predictions {
    tokens: usize,
    regions: usize,
    forms: Vec<(Form, Predicted)>,
}

impl Predictions {
    /// What a check's graph is predicted to take, where it is a stage of the network or the whole.
    fn milliseconds(&self, check: &StageCheck) -> Option<f64> {
        let (_, predicted) = self.forms.iter().find(|(form, _)| *form == check.form)?;
        match check.stage.as_str() {
            "text" => Some(predicted.text),
            "image" => Some(predicted.image),
            "fusion" => Some(predicted.fusion),
            "network" => Some(predicted.all()),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        let of = |(form, p): &(Form, Predicted)| {
            json!({
                "variant": form.to_string(), "text": p.text, "image": p.image, "fusion": p.fusion, "network": p.all(),
            })
        };
        let forms: Vec<Value> = self.forms.iter().map(of).collect();
        json!({ "tokens": self.tokens, "regions": self.regions, "forms": forms })
    }
}

/// Reads a table, which has to be of networks such as the bundle's.
fn read_table(bundle: &Path, file: &Path) -> Result<(LatencyTable, Manifest), Failure> {
    let table = LatencyTable::read(file)?;
    let manifest = Bundle::open(bundle, false)?.manifest().clone();
    table.check_network(manifest.task, &manifest.dimensions, file)?;
    Ok((table, manifest))
}

/// What the table in `file` says of the bundle's network in the forms that were timed and are in it.
fn predictions(bundle: &Path, file: &Path, report: &VerifyReport) -> Result<Predictions, Failure> {
    let (table, manifest) = read_table(bundle, file)?;
    let measured = table.forms();
    let mut forms = Vec::new();
    for form in report.measured.iter().map(|m| m.form()).filter(|form| measured.contains(form)) {
        let costs = NetworkCosts::of(&table, file, form, Quantity::Milliseconds)?;
        forms.push((form, costs.predict(&manifest.architecture, file)?));
    }
    if forms.is_empty() {
        let names = |forms: Vec<Form>| forms.iter().map(Form::to_string).collect::<Vec<_>>().join(", ");
        let expected = format!("one of {}", names(report.measured.iter().map(|m| m.form()).collect()));
        return Err(BundleError::invalid(file, "measurements[].variant", expected, names(measured)).into());
    }
    Ok(Predictions { tokens: table.tokens, regions: table.regions, forms })
}

fn print(report: &VerifyReport, predictions: Option<&Predictions>, json: bool) -> Result<(), Failure> {
    if json {
        // JSON has no infinity: a difference that cannot be told is null, with the problem beside it.
        output::print_json(&json!({
            "bundle": report.bundle,
            "passed": report.passed(),
            "provider": report.provider,
            "checks": report.checks,
            "measured": report.measured,
            "predicted": predictions.map(Predictions::json),
        }))
    } else {
        Ok(output::print(&text(report, predictions))?)
    }
}

fn text(report: &VerifyReport, predictions: Option<&Predictions>) -> String {
    let timed = report.checks.iter().any(|check| check.milliseconds.is_some());
    let mut heading = vec!["stage", "variant", "file", "worst difference", "tolerance", "result"];
    heading.extend(timed.then_some("milliseconds"));
    heading.extend(predictions.map(|_| "predicted"));
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
    rows.extend(report.checks.iter().map(|check| row(check, predictions)));
    let passed = report.checks.iter().filter(|check| check.passed).count();
    let total = report.checks.len();
    let table = output::table(&rows, &[3, 4, 6, 7]);
    let other = predictions.and_then(|p| other_sizes(report, p)).unwrap_or_default();
    format!("{table}{other}{passed} of {total} checks passed on {}\n", report.provider)
}

/// A line where what was timed has other numbers of tokens or regions than what was profiled.
fn other_sizes(report: &VerifyReport, predictions: &Predictions) -> Option<String> {
    let Predictions { tokens, regions, .. } = predictions;
    let other = report.measured.iter().find(|m| (m.tokens, m.regions) != (*tokens, *regions))?;
    Some(format!(
        "predicted for {tokens} tokens and {regions} regions, timed with {} and {}: not comparable\n",
        other.tokens, other.regions
    ))
}

fn row(check: &StageCheck, predictions: Option<&Predictions>) -> Vec<String> {
    let result = match (&check.problem, check.passed) {
        (Some(problem), _) => format!("FAIL ({problem})"),
        (None, true) => "pass".to_owned(),
        (None, false) => "FAIL".to_owned(),
    };
    let (worst, tolerance) = (format!("{:.3e}", check.worst), format!("{:.0e}", check.tolerance));
    let mut row = vec![check.stage.clone(), check.form.to_string(), check.file.clone(), worst, tolerance, result];
    row.extend(check.milliseconds.map(|ms| format!("{ms:.3}")));
    row.extend(predictions.map(|p| p.milliseconds(check).map_or_else(String::new, |ms| format!("{ms:.3}"))));
    row
}
