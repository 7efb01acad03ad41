//! Metric of visual question answering.
//!
//! With annotators' answers it is the official VQA accuracy of the best answer. Otherwise it is
//! whether this is the answer.

use std::collections::BTreeMap;

use mmnas_bundle::answers::official_accuracy;
use mmnas_bundle::manifest::AnswerScores;
use tch::Kind;

use crate::error::Result;
use crate::task::example::Example;
use crate::task::vqa::data::VqaData;
use crate::task::{Evaluation, Forward};

impl VqaData {
    /// Mean accuracy over `samples`, and over those of each type of answer.
    pub(super) fn accuracy(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        // Sum and number of the scores of all questions, and of those of each type of answer.
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        let mut examples = Vec::new();
        for (number, indices) in samples.chunks(batch).enumerate() {
            let first = number * batch;
            let batch = self.batch(indices)?;
            let logits = forward(&batch.inputs).scores.to_kind(Kind::Float);
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
                    _ => official_accuracy(&self.labels()[answer as usize], annotators),
                };
                if Evaluation::is_example(first + row, samples.len()) {
                    examples.push(Example {
                        image: self.common().image_name(self.common().image_of(sample)).to_owned(),
                        text: self.common().words_of(self.tokens(sample)),
                        expected: self.expected(sample).unwrap_or("(not a label)").to_owned(),
                        found: self.labels()[answer as usize].clone(),
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
