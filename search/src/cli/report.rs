use std::path::PathBuf;

use clap::Args;
use mmnas_search::{Result, report};

use super::output;

/// Writes one HTML page about a run: curves, alpha over time, the architecture, the recipe
#[derive(Args)]
#[command(after_help = "\
The page needs nothing beside it and follows the reader's light or dark setting. It can be written while the run goes on.

Example:
  mmnas-search report target/demo/search")]
pub(super) struct Arguments {
    /// Folder of a search or retraining run
    run: PathBuf,
    /// File to write [default: report.html in the run's folder]
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = report::report(&arguments.run, arguments.out.as_deref())?;
    output::line(file.display());
    Ok(())
}
