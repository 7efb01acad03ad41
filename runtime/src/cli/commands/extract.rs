//! The command `extract`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use mmnas_runtime::{Error, ExtractSettings, FeatureLayout, LoadOptions, extract_until};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::cli::{output, progress};

const EXAMPLES: &str = "\
Image files are found in the folder and below, by ending (png jpg jpeg jpe jfif webp bmp gif) or
by content (PNG, JPEG, WebP, BMP, GIF); what is hidden by ending alone. Links are followed. Names
in the output are relative to the folder. What else lies there is passed over, and told.

The output appears when it is complete. The same command again goes on where one that was ended
has stopped: after Ctrl-C (SIGINT) or SIGTERM nothing but the running batch is lost, after a kill
the work of half a minute. What comes out is the same.

Examples:
  mmnas extract --vision vision --images data/train --out features
  mmnas extract --vision vision --images data/train --out features --batch 32 --json
  mmnas extract --vision vision --images data/train --out npz --npz";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder of the vision stage: vision.json and its graph
    #[arg(long, value_name = "DIR")]
    vision: PathBuf,
    /// Folder of the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// New folder for the features
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Images that run together
    #[arg(long, value_name = "N", default_value = "16")]
    batch: NonZeroUsize,
    /// Write one file NAME.npz an image, in the published layout, which `mmnas-search pack` reads
    #[arg(long)]
    npz: bool,
    /// Leave out what cannot be decoded or must not be read, or has a name that is no UTF-8, and say so, where the first would
    /// be an error
    #[arg(long)]
    skip_broken: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let start = Instant::now();
    let bar = progress::bar(0, "images");
    let mut held = None;
    let mut report_progress = |at: mmnas_runtime::ExtractProgress| {
        // From the first call on there is something to keep.
        held.get_or_insert_with(|| signals.hold());
        bar.set_length(at.images as u64);
        bar.set_position(at.done as u64);
    };
    let (vision, images, out) = (&arguments.vision, &arguments.images, &arguments.out);
    let layout = if arguments.npz { FeatureLayout::Npz } else { FeatureLayout::Packed };
    let settings = ExtractSettings { batch: arguments.batch, layout, skip_broken: arguments.skip_broken };
    let outcome = extract_until(signals.stop(), vision, images, out, &settings, options, &mut report_progress);
    bar.finish_and_clear();
    let report = outcome.map_err(|error| match error {
        Error::Stopped { kept, of } => {
            Failure::Stopped(format!("stopped: {kept} of {of} images are kept; the same command goes on"))
        }
        error => error.into(),
    })?;
    output::tell_passed_over(images, &report.passed_over);
    output::tell_left_out(&report.left_out);
    let seconds = start.elapsed().as_secs_f64();
    let rate = report.images.saturating_sub(report.resumed) as f64 / seconds.max(1e-9);
    if arguments.json {
        return output::print_json(&json!({
            "out": out.display().to_string(),
            "images": report.images,
            "left_out": report.left_out,
            "passed_over": report.passed_over,
            "resumed": report.resumed,
            "files": report.files,
            "regions": report.regions,
            "feature": report.feature,
            "vision_sha256": report.vision_sha256,
            "seconds": seconds,
            "images_per_second": rate,
        }));
    }
    Ok(output::print(&format!(
        "{}: {} images, {} regions of {} features each, {seconds:.1} s, {rate:.1} images/s",
        out.display(),
        report.images,
        report.regions,
        report.feature
    ))?)
}
