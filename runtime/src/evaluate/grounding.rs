use std::path::Path;
use std::time::Instant;

use mmnas_bundle::boxes;
use mmnas_bundle::samples::PhraseSample;
use serde::Serialize;

use super::{Evaluated, by_image, median, milliseconds};
use crate::{Error, Model, Result, image_files};

/// A box is right from this intersection over union with the phrase's on.
const RIGHT_IOU: f32 = 0.5;

/// How well and how fast a bundle grounds phrases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroundingEvaluation {
    /// The bundle.
    #[serde(flatten)]
    pub bundle: Evaluated,
    /// Number of phrases.
    pub phrases: usize,
    /// Number of phrases whose best box has an intersection over union of at least 0.5 with the sample's.
    pub correct: usize,
    /// `correct / phrases`, 0 to 1: the published metric.
    pub accuracy: f64,
    /// Mean intersection over union of the best boxes with the samples'.
    pub mean_iou: f64,
    /// Median milliseconds of a phrase on an image that is encoded already.
    pub milliseconds_known: f64,
    /// Median milliseconds of a phrase on a new image: those of encoding its file and `milliseconds_known`.
    pub milliseconds_new: f64,
}

/// Grounds the phrases of `samples` in the images of the folder `images`, encoding each image once. `progress` is called
/// with the number of phrases done after every image.
///
/// # Errors
/// No sample; a sample whose image leaves the folder or cannot be read, or whose phrase holds no word; a bundle of another
/// task than VGD; a failure of ONNX Runtime.
pub fn evaluate_grounding(
    model: &Model,
    samples: &[PhraseSample],
    images: &Path,
    progress: &mut dyn FnMut(usize),
) -> Result<GroundingEvaluation> {
    if samples.is_empty() {
        return Err(Error::argument("samples", "at least one", 0));
    }
    let (mut encode_times, mut ground_times) = (Vec::new(), Vec::with_capacity(samples.len()));
    let (mut correct, mut overlap) = (0, 0.0);
    for (image, phrases) in by_image(samples, |sample| &sample.image) {
        let file = image_files::inside(images, image)?;
        let start = Instant::now();
        let state = model.encode_image_file(&file)?;
        encode_times.push(milliseconds(start));
        for sample in phrases {
            let start = Instant::now();
            let found = model.ground(&state, &sample.phrase, 1)?;
            ground_times.push(milliseconds(start));
            let iou = found.first().map_or(0.0, |best| boxes::iou(&best.box_xyxy, &sample.box_xyxy));
            correct += usize::from(iou >= RIGHT_IOU);
            overlap += f64::from(iou);
        }
        progress(ground_times.len());
    }
    let known = median(&mut ground_times);
    Ok(GroundingEvaluation {
        bundle: Evaluated::of(model)?,
        phrases: samples.len(),
        correct,
        accuracy: correct as f64 / samples.len() as f64,
        mean_iou: overlap / samples.len() as f64,
        milliseconds_known: known,
        milliseconds_new: median(&mut encode_times) + known,
    })
}
