use std::path::PathBuf;

use clap::Args;
use mmnas_search::{Result, vision};

use super::output;

/// Writes a vision stage (pixels → region features) from a pretrained backbone
#[derive(Args)]
#[command(
    after_help = "Example:\n  mmnas-search vision --weights .native/efficientnet/efficientnet_lite0.pth --out vision"
)]
pub(super) struct Arguments {
    /// PyTorch checkpoint of EfficientNet-Lite0
    #[arg(long)]
    weights: PathBuf,
    /// Side of the input in pixels, a multiple of 32 × grid
    #[arg(long, default_value_t = 128)]
    side: u32,
    /// Rows and columns of the grid of regions
    #[arg(long, default_value_t = 4)]
    grid: usize,
    /// Seed of the recorded images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    vision::export_vision(&arguments.weights, arguments.side, arguments.grid, arguments.seed, &arguments.out)?;
    output::line(format_args!(
        "{}: {2} × {2} regions of {1} × {1} pixels",
        arguments.out.display(),
        arguments.side,
        arguments.grid
    ));
    Ok(())
}
