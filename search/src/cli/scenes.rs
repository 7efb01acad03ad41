//! `mmnas-search scenes`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mmnas_search::Result;
use mmnas_search::scenes::dataset::{Settings, write};

use super::output;

/// Makes up a data set for all three tasks: images of shapes, with questions, captions, phrases, boxes and region features
#[derive(Args)]
#[command(after_help = "\
The folder: images/, {train,test}.{vqa,itm,vgd}.jsonl, objects.jsonl, features/{train,test}. The
same settings give the same bytes on any number of threads (RAYON_NUM_THREADS), and image k of a
smaller data set is image k of a larger one.

Example:
  mmnas-search scenes --images 2000 --test 500 --seed 1 --out scenes")]
pub(super) struct Arguments {
    /// Number of training images
    #[arg(long, default_value_t = 2000)]
    images: u32,
    /// Number of test images, which are numbered after the training images
    #[arg(long, default_value_t = 500)]
    test: u32,
    /// Everything is drawn from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Width and height of an image in pixels, 64 to 2048
    #[arg(long, default_value_t = 224)]
    side: u32,
    /// Questions an image
    #[arg(long, default_value_t = 8)]
    questions: usize,
    /// Phrases an image
    #[arg(long, default_value_t = 4)]
    phrases: usize,
    /// New folder for the data set
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { images, test, seed, side, questions, phrases, out } = arguments;
    let settings =
        Settings { images: *images, test: *test, seed: *seed, side: *side, questions: *questions, phrases: *phrases };
    let start = Instant::now();
    let all = u64::from(*images) + u64::from(*test);
    // Draws on a terminal only.
    let bar = ProgressBar::new(all).with_prefix("scenes").with_style(
        ProgressStyle::with_template("{prefix:>8} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    let written = write(&settings, out, || bar.inc(1));
    bar.finish_and_clear();
    let (written, seconds) = (written?, start.elapsed().as_secs_f64());
    output::line(format_args!(
        "{}: {images} training and {test} test images, {} questions, {} captions, {} phrases; the question alone answers \
         {:.1} % of the test; a caption is true of {:.3} % of the other images; {seconds:.1} s, {:.0} images/s",
        out.display(),
        written.questions,
        written.captions,
        written.phrases,
        100.0 * written.language_prior,
        100.0 * written.true_of_others,
        all as f64 / seconds.max(1e-9)
    ));
    Ok(())
}
