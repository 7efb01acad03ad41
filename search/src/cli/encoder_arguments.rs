//! Options of `mmnas-search vision` for an encoder in ONNX, and running it with the runtime's program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use mmnas_bundle::Error as BundleError;
use mmnas_bundle::manifest::Corners;
use mmnas_export::RegionSettings;
use mmnas_export::encoder::detected::DetectedOptions;
use mmnas_export::encoder::encoder_map::MapOptions;
use mmnas_export::encoder::preprocessor::Preprocessing;
use mmnas_export::encoder::stage::EncoderStage;
use mmnas_search::Result;
use mmnas_search::bundle::encoder::{EncoderOptions, SourceOptions, export_encoder};
use mmnas_search::nn::tensors::{TensorMap, load_tensors, save_tensors};

use super::measure::program;

/// An encoder in ONNX.
#[derive(Args)]
pub(super) struct EncoderArguments {
    /// Any vision model in ONNX that gives feature maps or tokens, opset 11 or newer
    #[arg(long, value_name = "ONNX")]
    onnx: Option<PathBuf>,
    /// How the model wants its images: mean, deviation, order of the channels and size
    #[arg(long, value_name = "JSON", requires = "onnx")]
    preprocessor: Option<PathBuf>,
    /// Means of the channels from 0 to 1, in place of a processor's file
    #[arg(
        long,
        value_name = "R,G,B",
        requires = "onnx",
        requires = "std",
        conflicts_with = "preprocessor",
        value_delimiter = ',',
        num_args = 1
    )]
    mean: Vec<f32>,
    /// Deviations of the channels from 0 to 1
    #[arg(long, value_name = "R,G,B", requires = "mean", value_delimiter = ',', num_args = 1)]
    std: Vec<f32>,
    /// The model reads blue, green, red; means and deviations are in that order
    #[arg(long, requires = "onnx")]
    bgr: bool,
    /// Values of the model, outputs or inner ones, whose averages are a region's features [default: its only map]
    #[arg(long, value_name = "NAMES", requires = "onnx", value_delimiter = ',')]
    output: Vec<String>,
    /// Maps of four dimensions have their channels first, where their sizes do not tell
    #[arg(long, requires = "onnx")]
    channels_first: bool,
    /// Maps of four dimensions have their channels last
    #[arg(long, requires = "onnx", conflicts_with = "channels_first")]
    channels_last: bool,
    /// Tokens of class and registers that come before those of the image [default: as many as a square leaves, at most 16]
    #[arg(long, value_name = "N", requires = "onnx")]
    tokens_before: Option<usize>,
    /// The model finds regions itself: its boxes [1, n, 4] or [n, 4], scores and features of each
    #[arg(long, value_name = "BOXES,SCORES,FEATURES", requires = "onnx", value_delimiter = ',', num_args = 1,
        conflicts_with_all = ["output", "grid", "detector", "segments"])]
    found: Vec<String>,
    /// Boxes of --found are centre, width and height, not corners
    #[arg(long, requires = "found")]
    centres: bool,
    /// Boxes of --found are in parts of the input's size, 0 to 1, not in its pixels
    #[arg(long, requires = "found")]
    relative: bool,
    /// Largest intersection over union of two boxes of --found that are both kept
    #[arg(long, value_name = "F", requires = "found", default_value_t = 0.6)]
    max_iou: f32,
    /// Boxes of --found of a smaller score are left out
    #[arg(long, value_name = "F", requires = "found", default_value_t = 0.0)]
    min_score: f32,
    /// The program that runs the model and the graph around it [default: the `mmnas` beside this program]
    #[arg(long, value_name = "MMNAS", requires = "onnx")]
    runtime: Option<PathBuf>,
}

/// Three numbers of an option.
fn three(values: &[f32], option: &str) -> Result<[f32; 3]> {
    let wrong = || BundleError::invalid("command line", option, "three numbers", format!("{values:?}")).into();
    values.try_into().map_err(|_| wrong())
}

impl EncoderArguments {
    fn preprocessing(&self) -> Result<Option<Preprocessing>> {
        Ok(match &self.preprocessor {
            Some(file) => Some(Preprocessing::read(file)?),
            None if self.mean.is_empty() => None,
            None => Some(Preprocessing {
                mean: three(&self.mean, "--mean")?.map(|mean| mean * 255.0),
                scale: three(&self.std, "--std")?.map(|std| std * 255.0),
                ..Preprocessing::default()
            }),
        })
    }

    /// Whether the model finds regions itself.
    pub(super) fn finds(&self) -> bool {
        !self.found.is_empty()
    }

    /// Writes the vision stage over the encoder.
    pub(super) fn export(
        &self,
        side: Option<u32>,
        (regions, proposals): (&RegionSettings, usize),
        seed: u64,
        out: &Path,
    ) -> Result<EncoderStage> {
        let wrong = |option: &str, expected: &str| BundleError::invalid("command line", option, expected, "none");
        let model = self.onnx.as_deref().ok_or_else(|| wrong("--onnx", "a model"))?;
        let expected = "the program mmnas, which runs the model";
        let program = program(self.runtime.as_deref())?.ok_or_else(|| wrong("--runtime", expected))?;
        let options = EncoderOptions {
            preprocessing: self.preprocessing()?,
            bgr: self.bgr,
            side: side.map(|side| side as usize),
            source: self.source(regions, proposals)?,
        };
        let run = |graph: &Path, inputs: &TensorMap| run(&program, graph, inputs);
        export_encoder(model, &options, (seed, &run), out)
    }

    /// Where regions and their features come from.
    fn source(&self, regions: &RegionSettings, proposals: usize) -> Result<SourceOptions> {
        if !self.finds() {
            let maps = MapOptions {
                values: self.output.clone(),
                channels_last: (self.channels_first || self.channels_last).then_some(self.channels_last),
                tokens_before: self.tokens_before,
            };
            return Ok(SourceOptions::Maps(maps, regions.clone()));
        }
        let [boxes, scores, features] = self.found.as_slice() else {
            let found = self.found.join(",");
            let expected = "three values: boxes, scores and features";
            return Err(BundleError::invalid("command line", "--found", expected, found).into());
        };
        Ok(SourceOptions::Detected(DetectedOptions {
            boxes: boxes.clone(),
            scores: scores.clone(),
            features: features.clone(),
            corners: if self.centres { Corners::Cxcywh } else { Corners::Xyxy },
            relative: self.relative,
            count: proposals,
            max_iou: self.max_iou,
            min_score: self.min_score,
            box_features: regions.boxes,
            class_features: regions.classes,
        }))
    }
}

/// Runs `mmnas run GRAPH` on the inputs and reads what it writes.
fn run(program: &Path, graph: &Path, inputs: &TensorMap) -> Result<TensorMap> {
    let folder = tempfile::tempdir().map_err(BundleError::io(std::env::temp_dir(), "write in"))?;
    let (fed, given) = (folder.path().join("inputs.safetensors"), folder.path().join("outputs.safetensors"));
    save_tensors(&fed, inputs, HashMap::new())?;
    let mut command = Command::new(program);
    command.arg("run").arg(graph).arg("--inputs").arg(&fed).arg("--out").arg(&given);
    let output = command.output().map_err(BundleError::io(program, "run"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let found = if told.is_empty() { format!("it ended with {}", output.status) } else { told };
        return Err(BundleError::invalid(graph, "(graph)", "a model that ONNX Runtime runs", found).into());
    }
    Ok(load_tensors(&given)?.0)
}
