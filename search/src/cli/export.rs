use std::path::PathBuf;

use clap::Args;
use mmnas_bundle::VisionBundle;
use mmnas_search::{Result, export};

use super::output;

/// Writes the bundle of a retrained network
#[derive(Args)]
#[command(after_help = "Example:\n  mmnas-search export retrain --vision vision --out bundle && mmnas verify bundle")]
pub(super) struct Arguments {
    /// Folder of the retraining run
    run: PathBuf,
    /// Vision stage whose features the network was trained on; without it the bundle takes region features, not pixels
    #[arg(long)]
    vision: Option<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let vision = arguments.vision.as_deref().map(VisionBundle::open).transpose()?;
    export::export(&arguments.run, vision.as_ref(), &arguments.out)?;
    output::line(format_args!("{}: written; check it with `mmnas verify {0}`", arguments.out.display()));
    Ok(())
}
