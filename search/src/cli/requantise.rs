//! `mmnas-search requantise`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mmnas_bundle::Bundle;
use mmnas_export::{Verified, requantise_bundle};
use mmnas_search::Result;
use serde_json::json;

use super::measure::{self, MeasureArguments};
use super::{output, write};

/// Rounds the 8-bit weights of an earlier bundle anew, so that it is right on every processor
#[derive(Args)]
#[command(after_help = "\
Earlier exports rounded weights to 8 bits so that pairs of products could leave 16 bits on
processors without VNNI instructions. Columns that hold such a pair get another scale; the
rest stays as it is. Nothing but the bundle is needed. Bundles of `--int8 per-block`, of
later exports and without int8 need nothing: then nothing is written.

Examples:
  mmnas-search requantise old --out bundle
  mmnas-search requantise old --out bundle --json")]
pub(super) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    measure: MeasureArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = arguments.measure.program()?;
    let measure = |bundle: &Path| match &program {
        Some(program) => measure::measure(program, bundle),
        None => Ok(Verified::default()),
    };
    let bundle = Bundle::open(&arguments.bundle, true)?;
    let done = requantise_bundle(&bundle, &arguments.out, program.is_some().then_some(&measure))?;
    if done.columns == 0 {
        if arguments.json {
            output::json(&json!({ "out": null, "columns": 0, "graphs": [], "left_out": [] }))?;
        } else {
            output::line(format_args!("{}: right on every processor as it is", arguments.bundle.display()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("{} columns of {} rounded anew", done.columns, done.graphs.join(", "));
    let told = arguments.json.then(|| json!({ "columns": done.columns, "graphs": done.graphs }));
    write::written(&arguments.out, &what, &done.left_out, None, told)
}
