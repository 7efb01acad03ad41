//! Image-text matching: does a text belong to an image, and which of many does best.

use mmnas_bundle::manifest::TaskName;

use crate::engine::tensor_names::LOGITS;
use crate::error::{Error, Result};
use crate::model::state::{ImageState, TextState};
use crate::model::{BATCH, Model};
use crate::tasks::answer::sigmoid;

/// How well a text belongs to an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Sigmoid of the logit, 0 to 1: the published score of the pair.
    pub probability: f32,
    /// The network's output.
    pub logit: f32,
}

/// An image or a text among those that were ranked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place in the list that was given, from 0.
    pub index: usize,
    /// How well it belongs.
    pub score: Match,
}

impl Model {
    /// Scores how well each pair of an image and a text belongs together.
    ///
    /// The scores are in the order of the pairs. Pairs run in batches: in fp32 and fp16 with the result that each has
    /// alone; in int8 what else is in a batch moves it a little (BUNDLE.md).
    ///
    /// # Errors
    /// A bundle of another task than ITM; a state of another model; a failure of ONNX Runtime.
    pub fn match_pairs(&self, pairs: &[(&ImageState, &TextState)]) -> Result<Vec<Match>> {
        self.check_task(TaskName::Itm)?;
        self.check_limits()?;
        let mut matches = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(BATCH) {
            let outputs = self.fuse_batch(batch)?;
            let logits = self.head_output(&outputs, LOGITS, &[batch.len(), 1])?;
            matches.extend(logits.iter().map(|&logit| Match { probability: sigmoid(logit), logit }));
        }
        Ok(matches)
    }

    /// The `top_k` of `images` that a text belongs to best, the best first.
    ///
    /// Every pair is scored.
    ///
    /// # Errors
    /// As [`Model::match_pairs`]; `top_k` 0.
    pub fn rank_images(&self, text: &TextState, images: &[ImageState], top_k: usize) -> Result<Vec<Ranked>> {
        let pairs: Vec<_> = images.iter().map(|image| (image, text)).collect();
        self.ranked(&pairs, top_k)
    }

    /// The `top_k` of `texts` that belong to an image best, the best first.
    ///
    /// Every pair is scored.
    ///
    /// # Errors
    /// As [`Model::match_pairs`]; `top_k` 0.
    pub fn rank_texts(&self, image: &ImageState, texts: &[TextState], top_k: usize) -> Result<Vec<Ranked>> {
        let pairs: Vec<_> = texts.iter().map(|text| (image, text)).collect();
        self.ranked(&pairs, top_k)
    }

    fn ranked(&self, pairs: &[(&ImageState, &TextState)], top_k: usize) -> Result<Vec<Ranked>> {
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        let scores = self.match_pairs(pairs)?;
        let mut ranked: Vec<Ranked> =
            scores.into_iter().enumerate().map(|(index, score)| Ranked { index, score }).collect();
        // Of equals the first in the list comes first.
        ranked.sort_by(|a, b| b.score.logit.total_cmp(&a.score.logit));
        ranked.truncate(top_k);
        Ok(ranked)
    }
}
