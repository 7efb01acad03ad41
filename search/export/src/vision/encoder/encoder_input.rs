//! How an encoder reads an image: what its graph, its processor's file and options say of it.

use mmnas_bundle::manifest::{Layout, Vision};

use crate::error::Result;
use crate::onnx::onnx_model::OnnxModel;
use crate::onnx::proto::data_type;
use crate::onnx::value_type::Elem;
use crate::vision::encoder::preprocessor::{Preprocessing, check};

/// The one input of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderInput {
    /// Its name in the model.
    pub name: String,
    /// Order of its dimensions.
    pub layout: Layout,
    /// Its element type.
    pub(crate) elem: Elem,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Whether the graph takes several images at once; else one.
    pub batch: bool,
    /// What its numbers are.
    pub preprocessing: Preprocessing,
}

impl EncoderInput {
    /// Finds the image among the model's inputs, and its size.
    ///
    /// `preprocessing` is what was told of the numbers; none is right for an input of bytes alone. `side` is for a
    /// graph that leaves the size open.
    ///
    /// # Errors
    /// No input, or several; one that is no image of three channels in f32, f16 or bytes; a size that nothing tells, or
    /// that two sources tell otherwise; numbers that nothing tells.
    pub fn find(model: &OnnxModel, preprocessing: Option<Preprocessing>, side: Option<usize>) -> Result<EncoderInput> {
        let inputs = model.inputs();
        let [input] = inputs.as_slice() else {
            return Err(model.wrong("inputs", "one, the image", inputs.len()));
        };
        let elem = match input.elem {
            data_type::FLOAT => Elem::F32,
            data_type::FLOAT16 => Elem::F16,
            data_type::UINT8 => Elem::U8,
            _ => return Err(model.wrong(&input.name, "an image in f32, f16 or u8", input)),
        };
        let image = "an image [batch, 3, height, width] or [batch, height, width, 3]";
        let Some([batch, a, b, c]) = input.shape.as_deref() else {
            return Err(model.wrong(&input.name, image, input));
        };
        let (layout, height, width) = match (a, c) {
            (Some(3), _) => (Layout::Nchw, b, c),
            (_, Some(3)) => (Layout::Nhwc, a, b),
            // Names of dimensions are anybody's; channels first is what exporters do.
            (None, _) if c.is_none() => (Layout::Nchw, b, c),
            _ => return Err(model.wrong(&input.name, image, input)),
        };
        if batch.is_some_and(|n| n != 1) {
            return Err(model.wrong(&input.name, "one image, or any number of them, at once", input));
        }
        if preprocessing.is_none() && elem != Elem::U8 {
            let expected = "mean and deviation of its numbers, from --preprocessor or --mean and --std";
            return Err(model.wrong(&input.name, expected, "none"));
        }
        let preprocessing = preprocessing.unwrap_or_default();
        if let Err((field, expected, found)) = check(&preprocessing.mean, &preprocessing.scale) {
            return Err(model.wrong(field, expected, found));
        }
        if elem == Elem::U8 && (preprocessing.mean, preprocessing.scale) != ([0.0; 3], [1.0; 3]) {
            return Err(model.wrong(&input.name, "no mean and deviation, since it reads bytes", "some"));
        }
        let told = side.map(|side| (side, side));
        let of_graph = (*width, *height);
        if let (Some((w, h)), true) = (told, of_graph != (None, None))
            && (width.is_some_and(|n| n != w) || height.is_some_and(|n| n != h))
        {
            return Err(model.wrong("--side", "the size of the graph's input", w));
        }
        let open = told.or(preprocessing.size);
        let (Some(width), Some(height)) = (width.or(open.map(|(w, _)| w)), height.or(open.map(|(_, h)| h))) else {
            let expected = "a size in the graph, the processor's file or --side";
            return Err(model.wrong(&input.name, expected, "none"));
        };
        for side in [width, height] {
            if side == 0 || side > Vision::MAX_SIDE as usize {
                return Err(model.wrong(&input.name, &format!("1 to {} pixels", Vision::MAX_SIDE), side));
            }
        }
        Ok(EncoderInput {
            name: input.name.clone(),
            layout,
            elem,
            width,
            height,
            batch: batch.is_none(),
            preprocessing,
        })
    }

    /// Whether it reads bytes.
    pub fn is_bytes(&self) -> bool {
        self.elem == Elem::U8
    }

    /// Whether it reads 16-bit floats.
    pub fn is_f16(&self) -> bool {
        self.elem == Elem::F16
    }
}
