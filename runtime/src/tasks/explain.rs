//! What a network looked at: AttFlat's weights of words and regions.

use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::{MANIFEST, TaskName};

use crate::engine::tensor_names::{REGION_ATTENTION, SCORES, TEXT_ATTENTION};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::state::ImageState;

/// How much each word and each region counts in what a network gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The words that the network reads, in their order.
    pub words: Vec<WordWeight>,
    /// The image's regions, in their order.
    pub regions: Vec<RegionWeight>,
}

/// A word with its weight in AttFlat of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct WordWeight {
    /// The word as the text has it.
    pub word: String,
    /// 0 to 1; over all words it sums to 1.
    pub weight: f32,
}

/// A region with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionWeight {
    /// Corners in pixels of the original image.
    pub box_xyxy: BoxXyxy,
    /// The weight, 0 to 1; over all regions it sums to 1.
    ///
    /// It is the region's weight in AttFlat for VQA and ITM, its probability for VGD.
    pub weight: f32,
}

impl Model {
    /// Tells how much each word of `text` and each region of the image counts.
    ///
    /// These are AttFlat's weights after the last block. They tell where the network gathered its answer from, not why
    /// it gave it.
    ///
    /// # Errors
    /// A bundle of before format 1.2, which does not give the weights; a text without any word; a state of another model; a
    /// failure of ONNX Runtime.
    pub fn explain(&self, image: &ImageState, text: &str) -> Result<Explanation> {
        self.check_image(image)?;
        let state = self.encode_text(text)?;
        let of_words =
            self.attention(self.text_tensor(&state, TEXT_ATTENTION)?, "stages.text.outputs", TEXT_ATTENTION)?;
        let pieces = self.text_pieces(text)?;
        let words = pieces.into_iter().zip(of_words).map(|(word, weight)| WordWeight { word, weight }).collect();
        let outputs = self.fuse(image, &state)?;
        let count = image.boxes().len();
        let of_regions = if self.manifest().task == TaskName::Vgd {
            softmax(self.head_output(&outputs, SCORES, &[1, count])?)
        } else {
            if !outputs.contains_key(REGION_ATTENTION) {
                return Err(self.without_attention("stages.fusion.outputs", REGION_ATTENTION));
            }
            self.head_output(&outputs, REGION_ATTENTION, &[1, count])?.to_vec()
        };
        let regions = image.boxes().iter().zip(of_regions).map(|(&box_xyxy, weight)| RegionWeight { box_xyxy, weight });
        Ok(Explanation { words, regions: regions.collect() })
    }

    fn attention(&self, found: Option<&[f32]>, field: &str, name: &str) -> Result<Vec<f32>> {
        found.map(<[f32]>::to_vec).ok_or_else(|| self.without_attention(field, name))
    }

    fn without_attention(&self, field: &str, name: &str) -> Error {
        let expected = format!("an output {name:?}, which bundles have since format 1.2");
        Error::invalid(&self.bundle().folder().join(MANIFEST), field, expected, "none")
    }
}

/// The probabilities of scores; in 64 bits while they are summed.
pub(crate) fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = scores.iter().map(|score| f64::from(score - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| (value / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let found = softmax(&[1000.0, 1000.0, f32::MIN]);
        assert_eq!(found, [0.5, 0.5, 0.0]);
    }
}
