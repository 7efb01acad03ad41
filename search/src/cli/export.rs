//! `mmnas-search export`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::bundle::export;

use super::write::WriteArguments;

/// Writes the bundle of a retrained network
#[derive(Args)]
#[command(after_help = "Examples:
  mmnas-search export retrain --vision vision --out bundle
  mmnas-search export retrain --variants all --merged --licence CC-BY-4.0 --out bundle
  mmnas-search export retrain --latency latency.json --out bundle
  mmnas-search export retrain --variants portable-fp16 --layout triton --out model_repository")]
pub(super) struct Arguments {
    /// Folder of the retraining run
    run: PathBuf,
    #[command(flatten)]
    write: WriteArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.write.run(|vision, out, options| export::export(&arguments.run, vision, out, options))
}
