//! Visual question answering: the best answers to a question about an image.

use mmnas_bundle::manifest::{AnswerScores, TaskName};

use crate::engine::tensor_names::LOGITS;
use crate::error::{Error, Result};
use crate::model::state::{ImageState, TextState};
use crate::model::{BATCH, Model};

/// An answer with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer as the bundle's labels spell it.
    pub label: String,
    /// The answer's score, 0 to 1, as the bundle's `answer_scores` says.
    ///
    /// It is the sigmoid of the logit, where answers are scored one by one (a binary cross-entropy each, published) and
    /// the probabilities of all answers need not sum to 1; or their softmax.
    pub probability: f32,
    /// The network's output.
    pub logit: f32,
    /// Place of the answer in the bundle's labels, from 0.
    pub index: usize,
}

impl Model {
    /// The `top_k` best answers to a question about an image, the best first.
    ///
    /// `top_k` is at least 1; where there are fewer answers, all of them are given.
    ///
    /// # Errors
    /// A bundle of another task than VQA; `top_k` 0; a question without any word; a state of another model; a failure of
    /// ONNX Runtime.
    pub fn answer(&self, image: &ImageState, question: &str, top_k: usize) -> Result<Vec<Answer>> {
        self.check_answering(top_k)?;
        self.check_image(image)?;
        self.answer_text(image, &self.encode_text(question)?, top_k)
    }

    /// As [`Model::answer`], for a question that is encoded already.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn answer_text(&self, image: &ImageState, text: &TextState, top_k: usize) -> Result<Vec<Answer>> {
        let labels = self.check_answering(top_k)?;
        let outputs = self.fuse(image, text)?;
        Ok(best(self.head_output(&outputs, LOGITS, &[1, labels.len()])?, labels, self.manifest().answer_scores, top_k))
    }

    /// As [`Model::answer_text`] for many pairs of an image and a question, in batches.
    ///
    /// The results are in the order of the pairs.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn answer_pairs(&self, pairs: &[(&ImageState, &TextState)], top_k: usize) -> Result<Vec<Vec<Answer>>> {
        let labels = self.check_answering(top_k)?;
        self.check_limits()?;
        let mut answers = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(BATCH) {
            let outputs = self.fuse_batch(batch)?;
            let logits = self.head_output(&outputs, LOGITS, &[batch.len(), labels.len()])?;
            answers.extend(
                logits
                    .chunks_exact(labels.len().max(1))
                    .map(|logits| best(logits, labels, self.manifest().answer_scores, top_k)),
            );
        }
        Ok(answers)
    }

    /// The labels, where the bundle can answer and `top_k` is in range.
    pub(crate) fn check_answering(&self, top_k: usize) -> Result<&[String]> {
        self.check_task(TaskName::Vqa)?;
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        Ok(self.labels())
    }
}

/// The `top_k` best of `labels`, the best first.
///
/// Equal ones are in the order of the labels. There is one finite logit a label.
fn best(logits: &[f32], labels: &[String], scores: AnswerScores, top_k: usize) -> Vec<Answer> {
    let mut order: Vec<usize> = (0..logits.len().min(labels.len())).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(top_k);
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: f32| f64::from(logit - highest).exp();
    let sum = (scores == AnswerScores::Softmax).then(|| logits.iter().copied().map(above).sum::<f64>());
    let probability = |logit: f32| sum.map_or_else(|| sigmoid(logit), |sum| (above(logit) / sum) as f32);
    let answer = |index: usize| Answer {
        label: labels[index].clone(),
        probability: probability(logits[index]),
        logit: logits[index],
        index,
    };
    order.into_iter().map(answer).collect()
}

/// The logistic function.
pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_keep_their_order() {
        let labels = ["a", "b", "c", "d"].map(str::to_owned);
        let answers = best(&[0.0, 2.0, -1000.0, 2.0], &labels, AnswerScores::Sigmoid, 3);
        assert_eq!(answers.iter().map(|a| a.index).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(answers[2].probability, 0.5);
        assert_eq!(best(&[0.0, 2.0, -1000.0, 2.0], &labels, AnswerScores::Sigmoid, 9).last().unwrap().probability, 0.0);
        let together = best(&[1e4, 1e4 + 3f32.ln(), -1e4], &labels, AnswerScores::Softmax, 9);
        let found: Vec<(usize, f32)> = together.iter().map(|a| (a.index, a.probability)).collect();
        assert!(
            found.iter().zip([(1, 0.75), (0, 0.25), (2, 0.0)]).all(|(f, e)| f.0 == e.0 && (f.1 - e.1).abs() < 1e-3)
        );
    }
}
