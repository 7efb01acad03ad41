//! A vision stage over any encoder in ONNX.
//!
//! The model is run on its own for what is recorded: the graph around it is compared with that.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{Channels, Corners, Layout, Precision};
use mmnas_bundle::{Error as BundleError, golden};
use mmnas_export::encoder::detected::{Detected, DetectedOptions};
use mmnas_export::encoder::encoder_input::EncoderInput;
use mmnas_export::encoder::encoder_map::{EncoderMap, MapLayout, MapOptions};
use mmnas_export::encoder::preprocessor::Preprocessing;
use mmnas_export::encoder::reference::{REFERENCE_INPUT, reference_model, reference_output};
use mmnas_export::encoder::stage::{EncoderStage, FeatureSource, write_encoder_stage};
use mmnas_export::{OnnxModel, RegionSettings};
use tch::{Kind, Tensor};

use crate::bundle::golden::golden_tensor;
use crate::bundle::region_features::{drawn_regions, with_boxes};
use crate::bundle::vision::golden_pixels;
use crate::error::Result;
use crate::nn::tensors::TensorMap;

/// What is told of an encoder beside its file.
#[derive(Debug, Clone)]
pub struct EncoderOptions {
    /// What its numbers are; none is right for one that reads bytes alone.
    pub preprocessing: Option<Preprocessing>,
    /// Whether it reads blue, green, red, whatever `preprocessing` says.
    pub bgr: bool,
    /// Side of its input, for a graph that leaves it open.
    pub side: Option<usize>,
    /// Where regions and their features come from.
    pub source: SourceOptions,
}

/// Where regions and their features are to come from.
#[derive(Debug, Clone)]
pub enum SourceOptions {
    /// Averages of the encoder's maps over these regions.
    Maps(MapOptions, RegionSettings),
    /// The model finds regions itself.
    Detected(DetectedOptions),
}

/// Runs an ONNX graph, which lies in a file, on inputs by name, and gives its outputs.
///
/// This crate holds no engine of its own.
pub type RunGraph<'a> = dyn Fn(&Path, &TensorMap) -> Result<TensorMap> + 'a;

/// Writes a vision stage over the encoder in the file `model` to the new folder `out`.
///
/// Seeded images are recorded with their features. These come from the model run on its own and
/// from averages that libtorch computes. The written graph is run and compared with them.
///
/// # Errors
///
/// A file that is no encoder of images, or one whose sizes or numbers nothing tells. No map over
/// the image among its values, or values that are not boxes with scores and features. A graph that
/// does not give what the model gives on its own. What `run` says. A folder that cannot be written.
pub fn export_encoder(
    model: &Path,
    options: &EncoderOptions,
    (seed, run): (u64, &RunGraph<'_>),
    out: &Path,
) -> Result<EncoderStage> {
    let model = OnnxModel::read(model)?;
    let mut input = EncoderInput::find(&model, options.preprocessing.clone(), options.side)?;
    if options.bgr {
        input.preprocessing.channels = Channels::Bgr;
    }
    let values = match &options.source {
        SourceOptions::Maps(maps, _) => maps.values(&model)?,
        SourceOptions::Detected(detected) => {
            let values = detected.values().map(String::clone).to_vec();
            MapOptions { values, ..MapOptions::default() }.values(&model)?
        }
    };
    let folder = tempfile::tempdir().map_err(BundleError::io(std::env::temp_dir(), "write in"))?;
    let file = folder.path().join("reference.onnx");
    std::fs::write(&file, reference_model(&model, &input, &values)).map_err(BundleError::io(&file, "write"))?;
    let alone = Alone { file, input: &input, values: &values, run };
    let pixels = golden_pixels((2, input.height as i64, input.width as i64), seed);
    let (source, inputs, outputs) = match &options.source {
        SourceOptions::Maps(maps, regions) => of_maps(&model, &alone, (maps, regions), pixels)?,
        SourceOptions::Detected(detected) => of_detected(&model, &alone, detected, &pixels.narrow(0, 0, 1))?,
    };
    let record = |tensors: &TensorMap, name: fn(&str, &str) -> String| {
        let tensors = tensors.iter().map(|(key, tensor)| golden_tensor(name("vision", key), tensor));
        tensors.collect::<Result<Vec<_>>>()
    };
    let recorded = [record(&inputs, golden::input)?, record(&outputs, golden::output)?].concat();
    let tolerance = tolerance(&input);
    let check = |graph: &Path| {
        let wrong = |found: String| {
            let expected = "a graph that gives what the model gives on its own";
            BundleError::invalid(model.file(), "vision.onnx", expected, found)
        };
        let found = run(graph, &inputs).map_err(|e| wrong(e.to_string()))?;
        for (name, expected) in &outputs {
            match found.get(name).filter(|found| found.size() == expected.size()).map(|found| apart(found, expected)) {
                Some(difference) if difference <= tolerance => {}
                Some(difference) => return Err(wrong(format!("{name} with a difference of {difference:.1e}")).into()),
                None => return Err(wrong(format!("{name} of other sizes")).into()),
            }
        }
        Ok(())
    };
    let stage = EncoderStage { input: input.clone(), source };
    write_encoder_stage(&model, &stage, &recorded, &check, out)?;
    Ok(stage)
}

/// The model on its own, in a file.
struct Alone<'a> {
    file: PathBuf,
    input: &'a EncoderInput,
    values: &'a [String],
    run: &'a RunGraph<'a>,
}

impl Alone<'_> {
    /// The values for images u8 `[batch, height, width, 3]`.
    fn values(&self, pixels: &Tensor) -> Result<Vec<Tensor>> {
        let inputs = TensorMap::from([(REFERENCE_INPUT.to_owned(), as_read(pixels, self.input))]);
        let mut outputs = (self.run)(&self.file, &inputs)?;
        let mut output = |place: usize| {
            let name = reference_output(place);
            let missing = BundleError::invalid(&self.file, &name, "an output", "none");
            outputs.remove(&name).ok_or_else(|| missing.into())
        };
        (0..self.values.len()).map(&mut output).collect()
    }
}

/// Source, recorded inputs and recorded outputs.
type Recorded = (FeatureSource, TensorMap, TensorMap);

fn of_maps(
    model: &OnnxModel,
    alone: &Alone<'_>,
    (options, regions): (&MapOptions, &RegionSettings),
    pixels: Tensor,
) -> Result<Recorded> {
    let (input, values) = (alone.input, alone.values);
    let first = alone.values(&pixels.narrow(0, 0, 1))?;
    let shapes: Vec<_> = values.iter().cloned().zip(first.iter().map(shape)).collect();
    let maps = options.maps(model, &shapes, (input.height, input.width))?;
    let of_maps = |outputs: &[Tensor]| -> Vec<Tensor> {
        let map = |map: &EncoderMap| Some(as_map(&outputs[values.iter().position(|v| *v == map.value)?], map));
        maps.iter().filter_map(map).collect()
    };
    // Both at once where the model gives of each what it gives of it alone: a graph may say that it takes several and
    // not do so.
    let second = alone.values(&pixels.narrow(0, 1, 1))?;
    for ((name, first), second) in values.iter().zip(&first).zip(&second) {
        if first.size() != second.size() {
            let found = format!("{:?} and {:?} of two", first.size(), second.size());
            return Err(BundleError::invalid(model.file(), name, "the same sizes for every image", found).into());
        }
    }
    let each = [of_maps(&first), of_maps(&second)];
    let stacked: Vec<Tensor> = each[0].iter().zip(&each[1]).map(|(a, b)| Tensor::cat(&[a, b], 0)).collect();
    let of_two = |value: &Tensor, first: &Tensor| {
        let (two, one) = (value.size(), first.size());
        two.len() == one.len() && two[0] == 2 && two[1..] == one[1..]
    };
    let fits = |outputs: &Vec<Tensor>| outputs.iter().zip(&first).all(|(value, first)| of_two(value, first));
    let together = if input.batch { alone.values(&pixels).ok().filter(fits) } else { None };
    let together = together.map(|outputs| of_maps(&outputs));
    let same = |a: &[Tensor], b: &[Tensor]| {
        a.iter().zip(b).all(|(a, b)| a.size() == b.size() && apart(a, b) <= tolerance(input))
    };
    let batch = together.is_some_and(|together| same(&together, &stacked));
    let (pixels, recorded) = if batch { (pixels, stacked) } else { (pixels.narrow(0, 0, 1), of_maps(&first)) };
    let mut inputs = TensorMap::from([("pixels".to_owned(), pixels.contiguous())]);
    let features = drawn_regions(&recorded, (input.height as i64, input.width as i64), regions, &mut inputs);
    let source = FeatureSource::Maps { maps, batch, regions: regions.clone() };
    Ok((source, inputs, TensorMap::from([("features".to_owned(), features)])))
}

fn of_detected(model: &OnnxModel, alone: &Alone<'_>, options: &DetectedOptions, pixels: &Tensor) -> Result<Recorded> {
    let values = alone.values(pixels)?;
    let [boxes, scores, features] = values.as_slice() else {
        return Err(BundleError::invalid(model.file(), "outputs", "boxes, scores and features", values.len()).into());
    };
    let detected = options.check(model, &[shape(boxes), shape(scores), shape(features)])?;
    if boxes.numel() == 0 {
        let expected = "a box in an image of noise, to be compared with; a model that leaves none out";
        return Err(BundleError::invalid(model.file(), &options.boxes, expected, "none").into());
    }
    let unbatched = |value: &Tensor| if detected.batched { value.shallow_clone() } else { value.unsqueeze(0) };
    let (scores, features) = (unbatched(scores), unbatched(features));
    let corners = corners(&unbatched(boxes), &detected, (alone.input.height, alone.input.width));
    let sides = [alone.input.width as f32, alone.input.height as f32];
    let sides = Tensor::from_slice(&[sides, sides].concat());
    let mut all = if options.box_features { with_boxes(&features, &(&corners / sides)) } else { features };
    if options.class_features > 0 {
        all = Tensor::cat(&[all, scores.clamp_min(0.0).sqrt()], -1);
    }
    let best = if detected.classes.is_some() { scores.amax([-1i64].as_slice(), false) } else { scores };
    let inputs = TensorMap::from([("pixels".to_owned(), pixels.contiguous())]);
    let outputs = [("features", all), ("boxes", corners), ("scores", best)];
    let outputs = outputs.map(|(name, value)| (name.to_owned(), value.contiguous())).into();
    Ok((FeatureSource::Detected(detected), inputs, outputs))
}

/// Boxes `[1, n, 4]` of a model as corners in pixels of its input.
fn corners(boxes: &Tensor, detected: &Detected, (height, width): (usize, usize)) -> Tensor {
    let mut corners = boxes.shallow_clone();
    if detected.options.corners == Corners::Cxcywh {
        let (centre, half) = (corners.narrow(-1, 0, 2), corners.narrow(-1, 2, 2) / 2.0);
        corners = Tensor::cat(&[&centre - &half, &centre + &half], -1);
    }
    if detected.options.relative {
        corners *= Tensor::from_slice(&[width as f32, height as f32, width as f32, height as f32]);
    }
    corners
}

fn shape(value: &Tensor) -> Vec<usize> {
    value.size().iter().map(|&n| n as usize).collect()
}

/// What a difference may be at most: roundings of the type that the model computes in.
fn tolerance(input: &EncoderInput) -> f64 {
    let precision = if input.is_f16() { Precision::Fp16 } else { Precision::Fp32 };
    precision.tolerance()
}

/// The largest difference, absolute below 1 and relative above.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    if b.numel() == 0 {
        return 0.0;
    }
    ((a - b).abs() / b.abs().clamp_min(1.0)).max().double_value(&[])
}

/// Images as the model reads them.
fn as_read(pixels: &Tensor, input: &EncoderInput) -> Tensor {
    let preprocessing = &input.preprocessing;
    let mut x = pixels.shallow_clone();
    if preprocessing.channels == Channels::Bgr {
        x = x.flip([3i64].as_slice());
    }
    if !input.is_bytes() {
        let (mean, scale) = (Tensor::from_slice(&preprocessing.mean), Tensor::from_slice(&preprocessing.scale));
        x = (x.to_kind(Kind::Float) - mean) / scale;
    }
    if input.layout == Layout::Nchw { x.permute([0, 3, 1, 2]).contiguous() } else { x.contiguous() }
}

/// A value of the model as a map `[batch, channels, height, width]`.
fn as_map(value: &Tensor, map: &EncoderMap) -> Tensor {
    let (channels, height, width) = (map.channels as i64, map.height as i64, map.width as i64);
    match map.layout {
        MapLayout::Nchw => value.shallow_clone(),
        MapLayout::Nhwc => value.permute([0, 3, 1, 2]),
        MapLayout::Tokens { before } => {
            let places = value.narrow(1, before as i64, height * width);
            places.transpose(1, 2).reshape([-1, channels, height, width])
        }
    }
}
