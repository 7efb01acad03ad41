//! A detector of the vision stage.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::manifest::form::{Precision, Variant};
use crate::manifest::limits::MAX_SIDE;
use crate::manifest::stage::{Dtype, Graph, Stage, TensorSpec};

/// A detector of objects, whose boxes become regions.
///
/// It is any ONNX graph that reads one image and gives boxes with scores as is said here. It runs one image at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    /// File name of the graph; its weights are in it.
    pub graph: String,
    /// What it reads.
    pub input: DetectorInput,
    /// What it gives.
    pub output: DetectorOutput,
    /// Largest intersection over union of two boxes that are both kept, 0 to 1.
    ///
    /// Above it the one of the smaller score is left out, whatever their classes.
    pub max_iou: f32,
    /// Boxes of a smaller score are left out, 0 to 1.
    pub min_score: f32,
}

/// One image for a detector.
///
/// Each number is `(channel − mean) / scale` of a channel from 0 to 255.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorInput {
    /// Name of the input.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Order of the dimensions after the batch, which is 1.
    pub layout: Layout,
    /// Element type: f32 or u8; mean and scale are for f32.
    pub dtype: Dtype,
    /// Order of the channels.
    pub channels: Channels,
    /// How an image becomes that size.
    pub fit: Fit,
    /// Subtracted from each channel, in their order.
    #[serde(default)]
    pub mean: [f32; 3],
    /// What each channel is divided by, in their order.
    #[serde(default = "ones")]
    pub scale: [f32; 3],
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// Order of an image's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channels, height, width.
    Nchw,
    /// Batch, height, width, channels.
    Nhwc,
}

/// Order of an image's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How an image becomes a detector's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fit {
    /// Stretched to the whole.
    Stretch,
    /// Scaled evenly until it fits, in the upper left corner; the rest has this brightness.
    Letterbox {
        /// 0 to 255.
        pad: u8,
    },
}

/// What a detector gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DetectorOutput {
    /// As YOLOX gives it without decoding (Ge et al., 2021).
    ///
    /// f32 `[1, cells, 5 + classes]`, for every cell of grids of these strides, the finest first and row by row. First
    /// comes the centre relative to the cell and the logarithm of the size, both in strides, then the probability of an
    /// object and those of the classes. The score is that of an object times the largest class's.
    Yolox {
        /// Name of the output.
        name: String,
        /// Pixels of a cell's side, for each grid.
        strides: Vec<u32>,
    },
    /// Decoded boxes f32 `[1, n, 4]`, and scores f32 `[1, n, classes]`.
    ///
    /// The largest score of a box's classes counts.
    Boxes {
        /// Name of the boxes.
        boxes: String,
        /// Name of the scores.
        scores: String,
        /// What a box's four numbers are.
        corners: Corners,
        /// Whether they are parts of the input's size, 0 to 1; else its pixels.
        relative: bool,
    },
}

/// What a box's four numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Corners {
    /// Left, top, right, bottom.
    Xyxy,
    /// Centre, width, height.
    Cxcywh,
}

impl Detector {
    /// The contract of the published YOLOX models.
    ///
    /// The input has `side` pixels: 416 for nano and tiny, 640 for the others.
    pub fn yolox(graph: &str, side: u32) -> Detector {
        Detector {
            graph: graph.to_owned(),
            input: DetectorInput {
                name: "images".to_owned(),
                width: side,
                height: side,
                layout: Layout::Nchw,
                dtype: Dtype::F32,
                channels: Channels::Bgr,
                fit: Fit::Letterbox { pad: 114 },
                mean: [0.0; 3],
                scale: [1.0; 3],
            },
            output: DetectorOutput::Yolox { name: "output".to_owned(), strides: vec![8, 16, 32] },
            max_iou: 0.6,
            min_score: 0.0,
        }
    }

    /// Checks the numbers; `file` names the description in errors.
    pub(crate) fn check(&self, file: &Path) -> Result<()> {
        let wrong = |field: &str, expected: &str, found: String| {
            Err(Error::invalid(file, format!("vision.regions.detector.{field}"), expected, found))
        };
        for (field, side) in [("input.width", self.input.width), ("input.height", self.input.height)] {
            if side == 0 || side > MAX_SIDE {
                return wrong(field, "1 to 4096 pixels", side.to_string());
            }
        }
        if self.input.dtype == Dtype::I64 {
            return wrong("input.dtype", "f32 or u8", "i64".to_owned());
        }
        if self.input.mean.iter().any(|v| !v.is_finite()) {
            return wrong("input.mean", "finite numbers", format!("{:?}", self.input.mean));
        }
        if self.input.scale.iter().any(|v| !v.is_finite() || *v == 0.0) {
            return wrong("input.scale", "finite numbers other than 0", format!("{:?}", self.input.scale));
        }
        for (field, share) in [("max_iou", self.max_iou), ("min_score", self.min_score)] {
            if !(0.0..=1.0).contains(&share) {
                return wrong(field, "0 to 1", share.to_string());
            }
        }
        if let DetectorOutput::Yolox { strides, .. } = &self.output {
            let fits = |stride: &u32| *stride > 0 && self.input.width.is_multiple_of(*stride);
            if strides.is_empty() || strides.len() > 16 || !strides.iter().all(fits) {
                return wrong("output.strides", "numbers that divide the input's width", format!("{strides:?}"));
            }
        }
        Ok(())
    }

    /// The detector as a stage: its graph, its input and its outputs with their shapes.
    pub fn stage(&self) -> Stage {
        let (width, height) = (self.input.width.to_string(), self.input.height.to_string());
        let shape = match self.input.layout {
            Layout::Nchw => ["1", "3", &height, &width],
            Layout::Nhwc => ["1", &height, &width, "3"],
        };
        let float = |name: &str, shape: &[&str]| TensorSpec::new(name, Dtype::F32, shape);
        let outputs = match &self.output {
            DetectorOutput::Yolox { name, .. } => vec![float(name, &["1", "cells", "values"])],
            DetectorOutput::Boxes { boxes, scores, .. } => {
                vec![float(boxes, &["1", "boxes", "4"]), float(scores, &["1", "boxes", "classes"])]
            }
        };
        let graph =
            Graph { variant: Variant::Portable, precision: Precision::Fp32, file: self.graph.clone(), data: None };
        Stage {
            graphs: vec![graph],
            inputs: vec![TensorSpec::new(&self.input.name, self.input.dtype, &shape)],
            outputs,
        }
    }
}
