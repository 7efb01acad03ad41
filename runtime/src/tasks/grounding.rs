//! Visual grounding: which part of an image a phrase means.

use mmnas_bundle::boxes::{self, BoxXyxy, DELTA_SCALE};
use mmnas_bundle::manifest::TaskName;

use crate::engine::tensor_names::{DELTAS, SCORES};
use crate::error::{Error, Result};
use crate::model::state::{ImageState, TextState};
use crate::model::{BATCH, Model};
use crate::tasks::explain::softmax;

/// A part of an image that a phrase may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Grounding {
    /// Its corners in pixels of the original image, clipped to it: `x1 y1 x2 y2`.
    pub box_xyxy: BoxXyxy,
    /// How much of the phrase's probability the region has, 0 to 1.
    ///
    /// Over all regions it sums to 1.
    pub probability: f32,
    /// The network's score of the region, before the softmax over regions.
    pub score: f32,
    /// Place of the region among those of the image, from 0.
    pub region: usize,
}

impl Model {
    /// The `top_k` most probable parts of an image that a phrase means, the best first.
    ///
    /// `top_k` is at least 1; where there are fewer regions, all of them are given.
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
        self.check_grounding(&[(image, phrase)], top_k)?;
        let outputs = self.fuse(image, phrase)?;
        let count = image.boxes().len();
        let scores = self.head_output(&outputs, SCORES, &[1, count])?;
        Ok(best(image, scores, self.head_output(&outputs, DELTAS, &[1, count, 4])?, top_k))
    }

    /// As [`Model::ground_text`] for many pairs of an image and a phrase, in batches.
    ///
    /// The results are in the order of the pairs.
    ///
    /// # Errors
    /// As [`Model::ground`].
    pub fn ground_pairs(&self, pairs: &[(&ImageState, &TextState)], top_k: usize) -> Result<Vec<Vec<Grounding>>> {
        self.check_grounding(pairs, top_k)?;
        self.check_limits()?;
        let mut found = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(BATCH) {
            let outputs = self.fuse_batch(batch)?;
            let most = batch.iter().map(|(image, _)| image.boxes().len()).max().unwrap_or(0);
            let scores = self.head_output(&outputs, SCORES, &[batch.len(), most])?;
            let deltas = self.head_output(&outputs, DELTAS, &[batch.len(), most, 4])?;
            let rows = scores.chunks_exact(most.max(1)).zip(deltas.chunks_exact(4 * most.max(1)));
            // Behind an image's own regions lies padding.
            found.extend(
                batch
                    .iter()
                    .zip(rows)
                    .map(|((image, _), (scores, deltas))| best(image, &scores[..image.boxes().len()], deltas, top_k)),
            );
        }
        Ok(found)
    }

    fn check_grounding(&self, pairs: &[(&ImageState, &TextState)], top_k: usize) -> Result<()> {
        self.check_task(TaskName::Vgd)?;
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        match pairs.iter().map(|(image, _)| image.size()).find(|(width, height)| *width == 0 || *height == 0) {
            Some((width, height)) => {
                Err(Error::argument("image", "a size of at least 1 × 1 pixels", format!("{width} × {height}")))
            }
            None => Ok(()),
        }
    }
}

/// The `top_k` best of an image's regions by their scores; `deltas` move their boxes.
fn best(image: &ImageState, scores: &[f32], deltas: &[f32], top_k: usize) -> Vec<Grounding> {
    let ((width, height), regions) = (image.size(), image.boxes());
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
    order.into_iter().map(grounding).collect()
}
