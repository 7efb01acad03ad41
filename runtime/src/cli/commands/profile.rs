//! The command `profile`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use mmnas_runtime::bundle::latency::checks::Checks;
use mmnas_runtime::{Error, LoadOptions, ProfileProgress, ProfileReport, ProfileSettings, profile_until};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::cli::{output, progress};

const NOTES: &str = "\
PROBES is a folder that `mmnas-search probes` wrote: small graphs, each a stage of a network with
a few blocks of one operation. Copy it to the device that networks are to run on, and run this
there, as they will run: the same --threads, --provider, ONNX Runtime, and nothing else beside it.
Without --variant every form is measured.

The graphs of one form are in memory together: about the size of the folder over its forms. They run
on random inputs of one item, in rounds whose order changes. A time is the median; the spread is half
the distance between the quartiles, relative to the median. Before that, the times of a round in
which all graphs were slow are divided by how slow it was. Where a spread is above --max-spread there
are up to three times as many rounds, and then an error: keep the machine quiet, use fewer threads,
or allow more spread. What was measured is kept: with a larger --max-spread it is taken as it is.
With one thread, time in which Linux ran other programs instead is left out.

The last line says how well the sum of the probes predicts whole networks that were measured in the
same rounds (`mmnas-search probes --checks`). `mmnas-search predict --latency FILE` shows each.

Where Linux counts energy (/sys/class/powercap, which often only root can read) the table has
millijoules: of all processor packages, with what the machine takes when idle.

What is measured lies in FILE.partial until all is. The same command goes on from there: after
Ctrl-C (SIGINT), SIGTERM, an error or a kill the form that was running is measured again.

Examples:
  mmnas profile probes --out latency.json
  mmnas profile probes --out latency.json --threads 2 --variant ort-int8
  mmnas profile probes --out latency-gpu.json --provider cuda --rounds 200 --json";

#[derive(Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// Folder of the probes: probes.json and its graphs
    probes: PathBuf,
    /// New file for what they take
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Rounds, in each of which every graph runs, 5 to 10000
    #[arg(long, value_name = "N", default_value_t = ProfileSettings::default().rounds)]
    rounds: usize,
    /// Most spread of a graph's times, relative to their median
    #[arg(long, value_name = "F", default_value_t = ProfileSettings::default().max_spread)]
    max_spread: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let start = Instant::now();
    let bar = progress::bar(0, "runs");
    let mut held = None;
    let mut report_progress = |at: ProfileProgress| {
        // From the first call on there is something to keep.
        held.get_or_insert_with(|| signals.hold());
        bar.set_length(at.of as u64);
        bar.set_position(at.done as u64);
    };
    let Arguments { probes, out, rounds, max_spread, .. } = arguments;
    let settings = ProfileSettings { rounds: *rounds, max_spread: *max_spread };
    let outcome = profile_until(signals.stop(), probes, out, &settings, options, &mut report_progress);
    bar.finish_and_clear();
    let report = outcome.map_err(|error| match error {
        Error::ProfileStopped { kept: 0, of, .. } => {
            Failure::Stopped(format!("stopped before the first of {of} graphs was measured"))
        }
        Error::ProfileStopped { kept, of, file } => Failure::Stopped(format!(
            "stopped: {kept} of {of} graphs are kept in {}; the same command goes on",
            file.display()
        )),
        error => error.into(),
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let checks = report.checks(out)?;
    if arguments.json {
        return output::print_json(&json!({
            "out": out.display().to_string(),
            "graphs": report.table.measurements.len(),
            "forms": report.table.forms().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "resumed": report.resumed,
            "provider": report.table.environment.provider,
            "threads": report.table.environment.threads,
            "largest_spread": report.largest_spread(),
            "energy": report.has_energy(),
            "checks": checks.iter().map(of_checks).collect::<Vec<_>>(),
            "seconds": seconds,
        }));
    }
    let mut lines = vec![format!("{}: {}, {seconds:.0} s", out.display(), text(&report))];
    let on_cpu = report.table.environment.provider == "cpu";
    lines.extend((!report.has_energy()).then(|| match on_cpu {
        true => {
            "energy: not counted for every graph, since no counters could be read in /sys/class/powercap".to_owned()
        }
        false => "energy: not counted on a GPU".to_owned(),
    }));
    lines.extend(checks_text(&checks));
    Ok(output::print(&lines.join("\n"))?)
}

/// Errors of the predictions of one form for programs.
fn of_checks(checks: &Checks) -> Value {
    json!({
        "variant": checks.form.to_string(),
        "networks": checks.networks.len(),
        "mean_error": checks.mean_error(),
        "worst_error": checks.worst_error(),
        "rank_correlation": checks.rank_correlation(),
    })
}

/// Errors of the predictions for people, in one line; none without a network that was measured whole.
fn checks_text(checks: &[Checks]) -> Option<String> {
    let of = |checks: &Checks| {
        let error = 100.0 * checks.mean_error()?;
        let correlation =
            checks.rank_correlation().map_or_else(String::new, |rho| format!(", rank correlation {rho:.3}"));
        Some(format!("{} mean error {error:.1} %{correlation}", checks.form))
    };
    let told: Vec<String> = checks.iter().filter_map(of).collect();
    let networks = checks.iter().map(|checks| checks.networks.len()).max()?;
    Some(format!("predicted beside measured, {networks} whole networks: {}", told.join("; ")))
}

/// Counts, provider and spread for people.
fn text(report: &ProfileReport) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let graphs = counted(report.table.measurements.len(), "graph");
    let forms = counted(report.table.forms().len(), "form");
    let resumed = match report.resumed {
        0 => String::new(),
        resumed => format!(" ({resumed} measured before)"),
    };
    let provider = match report.table.environment.provider.as_str() {
        "cpu" => "CPU",
        "cuda" => "CUDA",
        "tensorrt" => "TensorRT",
        other => other,
    };
    format!("{graphs}{resumed} in {forms} on {provider}, spread at most {:.1} %", 100.0 * report.largest_spread())
}
