//! `mmnas-search report`.

use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::report;
use mmnas_search::report::ReportOptions;

use super::output;

/// Writes one HTML page about a run: curves, examples, alpha over time, the architecture, the recipe
#[derive(Args)]
#[command(after_help = "\
The page needs nothing beside it and follows the reader's light or dark setting. It can be written
while the run goes on; an earlier one is replaced, any other file is not. For TensorBoard a run's
folder holds an events file: tensorboard --logdir FOLDER

Examples:
  mmnas-search report target/demo-search/search
  mmnas-search report retrain --images photos --examples 40
  mmnas-search report search --svg architecture.svg --alpha-svg alpha.svg
  mmnas-search report search --front front.json")]
pub(super) struct Arguments {
    /// Folder of a search or retraining run
    run: PathBuf,
    /// File to write [default: report.html in the run's folder]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Folder of the images, for the run's examples (examples.jsonl)
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// So many examples at most, half of them wrong where possible
    #[arg(long, value_name = "COUNT", default_value_t = 24)]
    examples: usize,
    /// Writes the picture of the architecture to a file of its own, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Writes the picture of alpha over time to a file of its own, too
    #[arg(long, value_name = "FILE")]
    alpha_svg: Option<PathBuf>,
    /// A front of the search, that `mmnas-search pareto` or `mmnas-search fronts` wrote, for the page
    #[arg(long, value_name = "FILE")]
    front: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let options = ReportOptions {
        out: arguments.out.clone(),
        svg: arguments.svg.clone(),
        alpha_svg: arguments.alpha_svg.clone(),
        images: arguments.images.clone(),
        front: arguments.front.clone(),
        examples: arguments.examples,
    };
    for file in report::report(&arguments.run, &options)? {
        output::line(file.display());
    }
    Ok(())
}
