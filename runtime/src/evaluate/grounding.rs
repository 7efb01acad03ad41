//! How many phrases a bundle grounds right, and how fast.

use std::collections::HashMap;

use mmnas_bundle::boxes;
use mmnas_bundle::samples::PhraseSample;
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::images::ImageSource;
use crate::evaluate::{Evaluated, timed_by_image};
use crate::model::Model;

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
    /// Number of phrases whose best box meets the sample's.
    ///
    /// Their intersection over union is at least 0.5.
    pub correct: usize,
    /// `correct / phrases`, 0 to 1: the published metric.
    pub accuracy: f64,
    /// Number of phrases that are right if any box of the same phrase counts.
    ///
    /// A phrase of several things, such as "a group of people", has one sample for each, of which one answer can only
    /// meet some. Each phrase about an image counts once.
    pub accuracy_any_box: f64,
    /// Number of different phrases of an image.
    pub different_phrases: usize,
    /// Number of phrases with a region that meets the sample's box.
    ///
    /// Their intersection over union is at least 0.5. Regions can be moved onto a box from further away, but where
    /// there is none at all, boxes or regions are wrong.
    pub reachable: usize,
    /// Mean intersection over union of the best boxes with the samples'.
    pub mean_iou: f64,
    /// Median milliseconds of a phrase on an image that is encoded already.
    pub milliseconds_known: f64,
    /// Median milliseconds of a phrase on a new image.
    ///
    /// That is the time of encoding its file and `milliseconds_known`.
    pub milliseconds_new: f64,
}

/// Grounds the phrases of `samples` in `images` and counts the right boxes.
///
/// The images lie in a folder or are region features; each is encoded once. `progress` is called with the number of
/// phrases done after every image.
///
/// # Errors
/// No sample; a sample whose image leaves the folder or cannot be read, whose phrase holds no word, or whose box is inverted,
/// from 0 to 1 in place of pixels, or outside of its image; a bundle of another task than VGD; a failure of ONNX Runtime.
pub fn evaluate_grounding<'a>(
    model: &Model,
    samples: &[PhraseSample],
    images: impl Into<ImageSource<'a>>,
    progress: &mut dyn FnMut(usize),
) -> Result<GroundingEvaluation> {
    let (mut correct, mut reachable, mut overlap) = (0, 0, 0.0);
    let mut any_box: HashMap<(String, String), bool> = HashMap::new();
    let times = timed_by_image(model, samples, images.into(), progress, |_, (name, image), sample| {
        let found = model.ground(image, &sample.phrase, 1)?;
        let iou = found.first().map_or(0.0, |best| boxes::iou(&best.box_xyxy, &sample.box_xyxy));
        correct += usize::from(iou >= RIGHT_IOU);
        overlap += f64::from(iou);
        let meets = |region: &boxes::BoxXyxy| boxes::iou(region, &sample.box_xyxy) >= RIGHT_IOU;
        reachable += usize::from(image.boxes().iter().any(meets));
        *any_box.entry((name.to_owned(), sample.phrase.clone())).or_default() |= iou >= RIGHT_IOU;
        Ok(())
    })?;
    Ok(GroundingEvaluation {
        bundle: Evaluated::of(model)?,
        phrases: samples.len(),
        correct,
        accuracy: correct as f64 / samples.len() as f64,
        accuracy_any_box: any_box.values().filter(|right| **right).count() as f64 / any_box.len().max(1) as f64,
        different_phrases: any_box.len(),
        reachable,
        mean_iou: overlap / samples.len() as f64,
        milliseconds_known: times.known,
        milliseconds_new: times.new,
    })
}
