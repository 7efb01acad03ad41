//! The vision stages on real photographs, which the repository does not hold: `make check-photos DATA=DIR DETECTOR=FILE`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use mmnas_bundle::boxes;
use mmnas_bundle::manifest::Detector;
use mmnas_bundle::samples::{CaptionSample, PhraseSample, read_json_lines};
use mmnas_export::efficientnet::Level;
use mmnas_export::{Proposals, RegionSettings, VisionSettings};
use mmnas_runtime::{LoadOptions, VisionStage};
use mmnas_search::bundle::vision::export_vision;
use mmnas_tests::c_consumer::workspace_root;
use serde_json::json;

/// ImageNet's classes that are breeds of dogs.
const DOGS: std::ops::RangeInclusive<usize> = 151..=268;
/// Of the photographs whose captions all say "dog", the share that has to get such a class; PyTorch finds 79.7 %.
const LEAST_DOGS: f64 = 0.75;
/// Boxes and the share of phrases that one of so many has to find at IoU 0.5, less two points.
const RECALLS: [(usize, f64); 3] = [(10, 0.56), (36, 0.68), (100, 0.78)];
const POINTS: f64 = 0.02;

#[derive(Parser)]
#[command(
    about = "Checks the vision stages on photographs: classes of an EfficientNet-Lite, and proposals of a YOLOX."
)]
struct Options {
    /// Folder with flickr8k/dev.jsonl, phrases/dev.jsonl and their images/
    #[arg(long)]
    data: PathBuf,
    /// yolox_nano.onnx
    #[arg(long)]
    detector: PathBuf,
    /// Weights of an EfficientNet-Lite; Lite0's without it
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A failure names the file that the options gave.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("check-photos: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether both figures are what they have to be.
fn run(options: &Options) -> Outcome<bool> {
    let of_lite0 = || workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
    let weights = options.weights.clone().unwrap_or_else(of_lite0);
    let dogs = dogs(&weights, &options.data.join("flickr8k"))?;
    let recalls = recalls(&weights, &options.data.join("phrases"), &options.detector)?;
    let passed =
        dogs.1 >= LEAST_DOGS && RECALLS.iter().zip(&recalls).all(|((_, least), found)| *found >= least - POINTS);
    if options.json {
        println!("{:#}", json!({ "photographs": dogs.0, "dogs": dogs.1, "recalls": recalls, "passed": passed }));
    } else {
        println!(
            "{:.1} % of {} photographs of dogs get a dog's class (at least {:.0})",
            100.0 * dogs.1,
            dogs.0,
            100.0 * LEAST_DOGS
        );
        for ((count, least), found) in RECALLS.iter().zip(&recalls) {
            let least = 100.0 * (least - POINTS);
            println!(
                "{:.1} % of phrases have one of {count} boxes with IoU ≥ 0.5 (at least {least:.0})",
                100.0 * found
            );
        }
    }
    Ok(passed)
}

fn stage(weights: &Path, settings: &VisionSettings) -> Outcome<VisionStage> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("vision");
    export_vision(weights, settings, 1, &out)?;
    Ok(VisionStage::load(&out, &LoadOptions::default())?)
}

/// How many photographs there are whose captions all say "dog", and the share that the backbone calls one.
fn dogs(weights: &Path, folder: &Path) -> Outcome<(usize, f64)> {
    let settings = VisionSettings {
        side: 224,
        levels: Level::RESOLUTIONS.to_vec(),
        classifier: true,
        regions: RegionSettings { grid: Some(7), ..RegionSettings::default() },
    };
    let stage = stage(weights, &settings)?;
    let samples: Vec<CaptionSample> = read_json_lines(&folder.join("dev.jsonl"))?;
    let says_dog = |caption: &String| caption.to_lowercase().split(|c: char| !c.is_alphabetic()).any(|w| w == "dog");
    let wanted: Vec<&CaptionSample> = samples.iter().filter(|s| s.captions.iter().all(says_dog)).collect();
    let mut found = 0;
    for sample in &wanted {
        let logits = stage.class_logits(&folder.join("images").join(&sample.image))?;
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        found += usize::from(best.is_some_and(|class| DOGS.contains(&class)));
    }
    Ok((wanted.len(), found as f64 / wanted.len().max(1) as f64))
}

/// The share of phrases whose box one of the first 10, 36 and 100 proposals overlaps.
fn recalls(weights: &Path, folder: &Path, detector: &Path) -> Outcome<Vec<f64>> {
    let graph = std::fs::read(detector).map_err(|e| format!("{}: {e}", detector.display()))?;
    let proposals = Some(Proposals { graph, detector: Detector::yolox("", 416), count: 100 });
    let settings = VisionSettings {
        side: 128,
        levels: Level::RESOLUTIONS.to_vec(),
        classifier: false,
        regions: RegionSettings { proposals, ..RegionSettings::default() },
    };
    let stage = stage(weights, &settings)?;
    let samples: Vec<PhraseSample> = read_json_lines(&folder.join("dev.jsonl"))?;
    let mut regions = BTreeMap::new();
    let mut found = [0usize; 3];
    for sample in &samples {
        let found_boxes = match regions.entry(sample.image.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(stage.regions(&folder.join("images").join(&sample.image))?.boxes),
        };
        for (found, (count, _)) in found.iter_mut().zip(RECALLS) {
            let hit = found_boxes.iter().take(count).any(|b| boxes::iou(b, &sample.box_xyxy) >= 0.5);
            *found += usize::from(hit);
        }
    }
    Ok(found.map(|count| count as f64 / samples.len().max(1) as f64).to_vec())
}
