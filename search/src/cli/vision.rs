//! `mmnas-search vision`.

use std::path::PathBuf;

use clap::Args;
use mmnas_bundle::manifest::Detector;
use mmnas_bundle::{Error as BundleError, read_json_file};
use mmnas_export::efficientnet::Level;
use mmnas_export::encoder::encoder_map::EncoderMap;
use mmnas_export::encoder::stage::FeatureSource;
use mmnas_export::{Proposals, RegionSettings, VisionSettings, segments};
use mmnas_search::Result;
use mmnas_search::bundle::vision;

use super::encoder_arguments::EncoderArguments;
use super::output;

/// Writes a vision stage (pixels → region features) from a pretrained backbone
#[derive(Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("boxed").multiple(true).args(["detector", "segments", "found"]))]
#[command(group = clap::ArgGroup::new("backbone").args(["weights", "onnx"]).required(true))]
#[command(
    after_help = "Examples:\n  mmnas-search vision --weights .native/efficientnet/efficientnet_lite0.pth --out vision\n  \
                  mmnas-search vision --weights efficientnet_lite0.pth --detector yolox_nano.onnx --proposals 36 --out vision\n  \
                  mmnas-search vision --onnx model.onnx --preprocessor preprocessor_config.json --grid 7 --out vision"
)]
pub(super) struct Arguments {
    /// PyTorch checkpoint of an EfficientNet-Lite, 0 to 4; its sizes tell which
    #[arg(long)]
    weights: Option<PathBuf>,
    #[command(flatten)]
    encoder: EncoderArguments,
    /// Side of the input in pixels, a multiple of the deepest level's stride × grid (of that stride with a detector)
    /// [default: 128; 256 with a detector; of an encoder what its graph or its processor says]
    #[arg(long)]
    side: Option<u32>,
    /// Rows and columns of the grid of regions [default: 4; none with a detector]
    #[arg(long)]
    grid: Option<usize>,
    /// Maps of the backbone whose averages are a region's features, by their strides, from the finest on: 2, 4, 8, 16, 32
    /// (16, 24, 40, 112, 320 channels of Lite0), and head, what the classifier reads (1280). Layers beyond the last are left out, so
    /// 2,4,8,16 is a quarter of the size
    #[arg(long, value_delimiter = ',', value_parser = level, default_value = "2,4,8,16,32", conflicts_with = "onnx")]
    levels: Vec<Level>,
    /// End a region's features with those of its box, so that networks know where it is: left, top, right, bottom, area
    #[arg(long)]
    boxes: bool,
    /// End a region's features with the detector's scores of its classes, which are so many (80 for COCO's): what a thing is
    /// called is what words are about
    #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "boxed", hide_default_value = true)]
    classes: usize,
    /// Take a detector's boxes as regions: an ONNX file of YOLOX without decoding, or of what --contract says
    #[arg(long, value_name = "ONNX")]
    detector: Option<PathBuf>,
    /// Take the connected pieces of drawings on a light ground as regions, such as the generated scenes': a detector that needs
    /// no training
    #[arg(long, conflicts_with_all = ["detector", "contract"])]
    segments: bool,
    /// How the detector is fed and read, JSON (`vision.regions.detector` in BUNDLE.md) [default: YOLOX's]
    #[arg(long, value_name = "JSON", requires = "detector")]
    contract: Option<PathBuf>,
    /// Side of a YOLOX's input in pixels: 416 for nano and tiny, 640 for the others
    #[arg(long, value_name = "PIXELS", default_value_t = 416, conflicts_with_all = ["contract", "segments"])]
    detector_side: u32,
    /// Boxes of the detector, or segments, at most
    #[arg(long, default_value_t = 36, requires = "boxed")]
    proposals: usize,
    /// Keep the backbone's classifier: logits of ImageNet's 1,000 classes beside the features
    #[arg(long, conflicts_with = "onnx")]
    classifier: bool,
    /// Seed of the recorded images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
}

fn level(name: &str) -> std::result::Result<Level, String> {
    Level::named(name).ok_or_else(|| "expected 2, 4, 8, 16, 32 or head".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let read = |file: &PathBuf| std::fs::read(file).map_err(BundleError::io(file, "read"));
    let proposals = match &arguments.detector {
        None if arguments.segments => Some(segments(arguments.proposals)?),
        None => None,
        Some(file) => {
            let detector = match &arguments.contract {
                None => Detector::yolox("", arguments.detector_side),
                Some(file) => read_json_file(file)?,
            };
            Some(Proposals { graph: read(file)?, detector, count: arguments.proposals })
        }
    };
    let side = if proposals.is_some() { 256 } else { 128 };
    let cells = if proposals.is_some() || arguments.encoder.finds() { None } else { Some(4) };
    let grid = arguments.grid.or(cells);
    let regions = RegionSettings { boxes: arguments.boxes, classes: arguments.classes, grid, proposals };
    let size = match &arguments.weights {
        Some(weights) => {
            let side = arguments.side.unwrap_or(side);
            let (levels, classifier, regions) = (arguments.levels.clone(), arguments.classifier, regions.clone());
            let settings = VisionSettings { side, levels, classifier, regions };
            vision::export_vision(weights, &settings, arguments.seed, &arguments.out)?;
            format!("{side} × {side}")
        }
        None => {
            let chosen = (&regions, arguments.proposals);
            let stage = arguments.encoder.export(arguments.side, chosen, arguments.seed, &arguments.out)?;
            output::note(told_of(&stage.source));
            format!("{} × {}", stage.input.width, stage.input.height)
        }
    };
    let out = arguments.out.display();
    let cells = regions.grid.map(|grid| format!("{grid} × {grid} cells"));
    let boxes = regions.proposals.map(|p| format!("up to {} boxes of {}", p.count, arguments.detector_name()));
    let own = arguments.encoder.finds().then(|| format!("up to {} boxes of its own", arguments.proposals));
    let regions: Vec<String> = cells.into_iter().chain(boxes).chain(own).collect();
    output::line(format_args!("{out}: {} as regions, features from {size} pixels", regions.join(" and ")));
    Ok(())
}

/// What an encoder gives, in words.
fn told_of(source: &FeatureSource) -> String {
    match source {
        FeatureSource::Maps { maps, batch, .. } => {
            let map = |map: &EncoderMap| {
                format!("{}: {} features of {} × {} places", map.value, map.channels, map.height, map.width)
            };
            let maps: Vec<String> = maps.iter().map(map).collect();
            maps.join("; ") + if *batch { "" } else { "; one image at a time" }
        }
        FeatureSource::Detected(detected) => {
            let (features, width) = (&detected.options.features, detected.width);
            format!("{features}: {width} features of every box that the model finds; one image at a time")
        }
    }
}

impl Arguments {
    fn detector_name(&self) -> String {
        if self.segments {
            return "segments".to_owned();
        }
        let name = self.detector.as_deref().and_then(|file| file.file_name());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
