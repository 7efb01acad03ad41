//! Visual question answering: BCE with logits on soft targets over the answers (or one softmax over all of them); the official VQA accuracy of the best one
//! where annotators' answers are known, else whether it is the answer.

use std::collections::BTreeMap;

use mmnas_bundle::answers::official_accuracy;
use mmnas_bundle::manifest::{AnswerScores, Dimensions};
use tch::{Kind, Reduction, Tensor, nn};

use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::task::example::Example;
use crate::task::pooled_head::PooledHead;
use crate::task::vqa::batch::VqaBatch;
use crate::task::vqa::data::VqaData;
use crate::task::{Evaluation, Forward, Task};

impl Task for VqaData {
    const NAME: &'static str = "vqa";

    type Batch = VqaBatch;
    type EpochState = ();

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(PooledHead::new(vs, d))
    }

    fn data(&self) -> &ImageTextData {
        self.common()
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        self.common_mut()
    }

    fn outputs(&self) -> usize {
        self.labels().len()
    }

    fn learnable(&self, parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_answers(parts)
    }

    fn labels(&self) -> &[String] {
        VqaData::labels(self)
    }

    fn batch(&self, indices: &[usize], _epoch_state: &(), seed: u64) -> Result<VqaBatch> {
        let batch = VqaData::batch(self, indices)?;
        Ok(VqaBatch { inputs: self.common().hide(batch.inputs, seed), ..batch })
    }

    fn loss(&self, batch: &VqaBatch, forward: &mut Forward<'_>) -> Tensor {
        let logits = forward(&batch.inputs);
        match self.scores() {
            AnswerScores::Sigmoid => loss(&logits, &batch.target),
            AnswerScores::Softmax => softmax_loss(&logits, &batch.target),
        }
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        // Sum and number of the scores of all questions, and of those of each type of answer.
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        let mut examples = Vec::new();
        for (number, indices) in samples.chunks(batch).enumerate() {
            let first = number * batch;
            let batch = VqaData::batch(self, indices)?;
            let logits = forward(&batch.inputs).to_kind(Kind::Float);
            let best = logits.argmax(-1, true);
            let probabilities = match self.scores() {
                AnswerScores::Sigmoid => logits.sigmoid(),
                AnswerScores::Softmax => logits.softmax(-1, Kind::Float),
            };
            let probabilities = Vec::<f32>::try_from(probabilities.gather(1, &best, false).flatten(0, -1))?;
            let targets = batch.target.gather(1, &best, false).to_kind(Kind::Double).flatten(0, -1);
            let (best, targets) = (Vec::<i64>::try_from(best.flatten(0, -1))?, Vec::<f64>::try_from(targets)?);
            for (row, ((&sample, answer), target)) in indices.iter().zip(best).zip(targets).enumerate() {
                let annotators = self.annotators(sample);
                let score = match annotators {
                    [] => target,
                    _ => official_accuracy(&VqaData::labels(self)[answer as usize], annotators),
                };
                if Evaluation::is_example(first + row, samples.len()) {
                    examples.push(Example {
                        image: self.common().image_name(self.common().image_of(sample)).to_owned(),
                        text: self.common().words_of(self.tokens(sample)),
                        expected: self.expected(sample).unwrap_or("(not a label)").to_owned(),
                        found: VqaData::labels(self)[answer as usize].clone(),
                        right: score >= 0.5,
                        score: Some(f64::from(probabilities[row])),
                        ..Example::default()
                    });
                }
                let of_type = self.answer_type(sample).map(|kind| format!("accuracy {kind}"));
                for name in ["accuracy".to_owned()].into_iter().chain(of_type) {
                    let (sum, count) = sums.entry(name).or_default();
                    (*sum, *count) = (*sum + score, *count + 1.0);
                }
            }
        }
        let metrics: BTreeMap<String, f64> = sums.into_iter().map(|(name, (sum, n))| (name, sum / n)).collect();
        Ok(Evaluation { score: metrics.get("accuracy").copied().unwrap_or(0.0), metrics, examples })
    }
}

/// Binary cross-entropy of `logits` `[batch, answers]` with soft targets, summed over answers and batch (published).
pub fn loss(logits: &Tensor, target: &Tensor) -> Tensor {
    logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Sum)
}

/// Cross-entropy of the softmax of `logits` `[batch, answers]` with the targets in parts of their sum, summed over the batch;
/// samples without a target count nothing. An addition of ours: see [`AnswerScores::Softmax`].
pub fn softmax_loss(logits: &Tensor, target: &Tensor) -> Tensor {
    let target = target / target.sum_dim_intlist(-1, true, Kind::Float).clamp_min(1e-6);
    -(target * logits.log_softmax(-1, Kind::Float)).sum(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_softmax_loss_is_the_formula() {
        let logits = Tensor::from_slice2(&[[0.0f32, 3f32.ln(), 0.0], [5.0, -2.0, 1.0], [1.0, 2.0, 3.0]]);
        let target = Tensor::from_slice2(&[[0.0f32, 1.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.9]]);
        let last = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln();
        let expected = (5f64 / 3.0).ln() + 0.25 * (last - 1.0) + 0.75 * (last - 3.0);
        assert!((softmax_loss(&logits, &target).double_value(&[]) - expected).abs() < 1e-5);
    }
}
