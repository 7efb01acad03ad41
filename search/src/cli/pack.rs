//! `mmnas-search pack`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::data::convert::pack::{PackSettings, Packed, pack};

use super::output;
use super::slow_bar::SlowBar;

/// Packs published region features, one .npz an image or tables of many, into a folder that training reads
#[derive(Args)]
#[command(after_help = "\
A file .npz holds x (D × n or n × D floats of 16, 32 or 64 bits), bbox (n × 4: x1 y1 x2 y2 in
pixels, or from 0 to 1), image_h and image_w, and may hold num_bbox, how many of the n count. Its
image is called by what stands before .npz, with the folders below DIR: cat_1.jpg.npz is
cat_1.jpg. Files of `mmnas extract --npz` say of which vision stage they are, and a network that
is trained on them can be exported with it; one that is trained on others takes regions, not
pixels.

A table (.tsv of bottom-up-attention, LXMERT and the like) has a line an image, its fields
separated by tabs: image_id, image_w, image_h, num_boxes, boxes and features, the last two in
base64 of 32-bit floats; other columns are not looked at. A first line may name the columns;
without it 6 are those above and 10 are LXMERT's, or --columns names them.

Samples find the image COCO_train2014_000000000009.jpg by its name, by that without .jpg, and as
9.

Examples:
  mmnas-search pack coco_extract/train2014 coco_extract/val2014 --out features
  mmnas-search pack trainval_36.tsv --out features --max-regions 36")]
pub(super) struct Arguments {
    /// Folders of .npz files, there or below, and tables
    #[arg(required = true, value_name = "DIR|FILE")]
    from: Vec<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Keep the first regions of an image, at most so many
    #[arg(long, default_value = "100")]
    max_regions: NonZeroUsize,
    /// What made the features: runs on features of different sources are told apart by it [default: the vision stage that files
    /// of `mmnas extract` name, else "published bottom-up-attention features"]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Names of a table's columns in their order, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut bar = SlowBar::new("images");
    let mut progress = |done, all| bar.at(done, all);
    let settings = PackSettings {
        max_regions: arguments.max_regions,
        source: arguments.source.as_deref(),
        columns: arguments.columns.as_deref(),
    };
    let packed = pack(&arguments.from, &arguments.out, settings, &mut progress)?;
    drop(bar);
    let Packed { images, regions, feature, shards, passed_over } = packed;
    if passed_over > 0 {
        output::note(format_args!("{passed_over} files in the folders are no .npz and were passed over"));
    }
    let out = arguments.out.display();
    output::line(format_args!("{out}: {images} images, {regions} regions of {feature} features, {shards} shards"));
    Ok(())
}
