//! Visual grounding: which part of an image a phrase means.

use mmnas_bundle::boxes::{self, BoxXyxy, DELTA_SCALE};
use mmnas_bundle::manifest::TaskName;

use crate::explain::softmax;
use crate::wiring::{DELTAS, SCORES};
use crate::{Error, ImageState, Model, Result, TextState};

/// A part of an image that a phrase may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Grounding {
    /// Its corners in pixels of the original image, clipped to it: `x1 y1 x2 y2`.
    pub box_xyxy: BoxXyxy,
    /// How much of the phrase's probability the region has, 0 to 1; over all regions it sums to 1.
    pub probability: f32,
    /// The network's score of the region, before the softmax over regions.
    pub score: f32,
    /// Place of the region among those of the image, from 0.
    pub region: usize,
}

impl Model {
    /// The `top_k` most probable parts of an image that a phrase means, the best first. `top_k` is at least 1; where there
    /// are fewer regions, all of them are given.
    ///
    /// # Errors
    /// A bundle of another task than VGD; `top_k` 0; a phrase without any word; a state of another model; an image whose size
    /// is not known (regions that were given without); a failure of ONNX Runtime.
    pub fn ground(&self, image: &ImageState, phrase: &str, top_k: usize) -> Result<Vec<Grounding>> {
        self.check_task(TaskName::Vgd)?;
        self.check_image(image)?;
        self.ground_text(image, &self.encode_text(phrase)?, top_k)
    }

    /// As [`Model::ground`], for a phrase that is encoded already.
    ///
    /// # Errors
    /// As [`Model::ground`].
    pub fn ground_text(&self, image: &ImageState, phrase: &TextState, top_k: usize) -> Result<Vec<Grounding>> {
        self.check_task(TaskName::Vgd)?;
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        let (width, height) = image.size();
        if width == 0 || height == 0 {
            return Err(Error::argument("image", "a size of at least 1 × 1 pixels", format!("{width} × {height}")));
        }
        let outputs = self.fuse(image, phrase)?;
        let regions = image.boxes();
        let scores = self.head_output(&outputs, SCORES, &[1, regions.len()])?;
        let deltas = self.head_output(&outputs, DELTAS, &[1, regions.len(), 4])?;
        let probabilities = softmax(scores);
        let mut order: Vec<usize> = (0..regions.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(top_k);
        let grounding = |region: usize| {
            let delta: [f32; 4] = std::array::from_fn(|k| deltas[4 * region + k] * DELTA_SCALE[k]);
            Grounding {
                box_xyxy: boxes::clip(&boxes::decode(&regions[region], &delta), width, height),
                probability: probabilities[region],
                score: scores[region],
                region,
            }
        };
        Ok(order.into_iter().map(grounding).collect())
    }
}
