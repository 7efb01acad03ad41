use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::data::pack::{Packed, pack};

use super::output;
use super::slow_bar::SlowBar;

/// Packs published region features, one .npz an image, into a folder that training reads
#[derive(Args)]
#[command(after_help = "\
Each file holds x (D × n, 32-bit floats), bbox (n × 4: x1 y1 x2 y2 in pixels), image_h and image_w. An image is named by
its id where its file is called …_<id>.jpg.npz (COCO_train2014_000000000009.jpg.npz is image 9), else by what stands before
.npz. A network that is trained on such features is exported without a vision stage: its bundle takes regions, not pixels.

Example:
  mmnas-search pack coco_extract/train2014 coco_extract/val2014 --out features")]
pub(super) struct Arguments {
    /// Folders of .npz files
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Keep the first regions of an image, at most so many
    #[arg(long, default_value = "100")]
    max_regions: NonZeroUsize,
    /// What made the features: runs on features of different sources are told apart by it
    #[arg(long, value_name = "NAME", default_value = "published bottom-up-attention features")]
    source: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut bar = SlowBar::new("images");
    let mut progress = |done, all| bar.at(done, all);
    let packed = pack(&arguments.folders, &arguments.out, arguments.max_regions, &arguments.source, &mut progress)?;
    drop(bar);
    let Packed { images, regions, feature, shards } = packed;
    let out = arguments.out.display();
    output::line(format_args!("{out}: {images} images, {regions} regions of {feature} features, {shards} shards"));
    Ok(())
}
