//! `mmnas-search split`.

use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::data::cut_files::cut_files;

use super::output;

/// Cuts a file of samples into one to train on and one to validate on, between images
#[derive(Args)]
#[command(after_help = "\
Example:
  mmnas-search split train.jsonl --validation 0.1 --out data
writes data/train.jsonl and data/validation.jsonl")]
pub(super) struct Arguments {
    /// Samples, JSON lines with an image each
    samples: PathBuf,
    /// Share of the images that goes to the second file, above 0 and below 1
    #[arg(long, value_name = "SHARE")]
    validation: f64,
    /// Which images is drawn from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let cut = cut_files(&arguments.samples, arguments.validation, arguments.seed, &arguments.out)?;
    let files: Vec<String> = cut.samples.iter().map(|(name, count)| format!("{name} {count}")).collect();
    output::line(format_args!("{}: {}", arguments.out.display(), files.join(", ")));
    Ok(())
}
