use std::collections::HashMap;
use std::path::Path;

use mmnas_bundle::samples::{VqaSample, read_json_lines};
use mmnas_bundle::{Error as BundleError, PAD, TextEncoder, Vocabulary};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::ImageTextData;
use crate::task::vqa::VqaBatch;
use crate::{Inputs, Result};

/// How questions and answers become numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRules {
    /// Longer questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Answers that occur less often are no label (9 in the published code: "more than 8 times").
    pub min_answer_count: usize,
}

#[derive(Debug)]
struct Question {
    tokens: Vec<i64>,
    answer: Option<i64>,
}

/// A VQA data set: questions as token ids, answers as labels.
#[derive(Debug)]
pub struct VqaData {
    common: ImageTextData,
    questions: Vec<Question>,
    labels: Vec<String>,
}

/// The answers that are labels, in the order of their first appearance.
fn frequent_answers(lines: &[VqaSample], min_count: usize) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        *counts.entry(&line.answer).or_default() += 1;
    }
    let mut labels = Vec::new();
    for line in lines {
        // Taken out when it becomes a label, so that it becomes one once.
        if counts.remove(line.answer.as_str()).is_some_and(|count| count >= min_count) {
            labels.push(line.answer.clone());
        }
    }
    labels
}

impl VqaData {
    /// Reads JSON lines (see [`VqaSample`]) and opens the features of their images. The vocabulary has the questions'
    /// words by first appearance; labels are the answers by first appearance.
    pub fn load(samples: &Path, features: &Path, rules: &TextRules, device: Device) -> Result<VqaData> {
        let lines: Vec<VqaSample> = read_json_lines(samples)?;
        let labels = frequent_answers(&lines, rules.min_answer_count);
        if labels.is_empty() {
            let expected = format!("an answer that occurs {} times (text.min_answer_count)", rules.min_answer_count);
            return Err(BundleError::invalid(samples, "answer", expected, "none").into());
        }
        let mut vocabulary = Vocabulary::new();
        for line in &lines {
            vocabulary.add_text(&line.question)?;
        }
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("tokenizer.json"))?;
        let label_of: HashMap<&str, i64> =
            labels.iter().enumerate().map(|(k, label)| (label.as_str(), k as i64)).collect();
        let mut questions = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            let tokens = encoder.encode(&line.question, rules.max_tokens)?;
            if tokens.is_empty() {
                let field = format!("sample {}: question", number + 1);
                return Err(
                    BundleError::invalid(samples, field, "at least one word", format!("{:?}", line.question)).into()
                );
            }
            questions.push(Question { tokens, answer: label_of.get(line.answer.as_str()).copied() });
        }
        let images = lines.iter().map(|line| line.image.as_str());
        let common = ImageTextData::new(samples, images, features, vocabulary, device)?;
        Ok(VqaData { common, questions, labels })
    }

    /// Images, features and words.
    pub fn common(&self) -> &ImageTextData {
        &self.common
    }

    /// The answers, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Loads the questions `indices`; tokens and regions are padded to the longest of the batch only.
    pub fn batch(&self, indices: &[usize]) -> Result<VqaBatch> {
        let questions: Vec<&Question> = indices.iter().map(|&k| &self.questions[k]).collect();
        let regions = indices.iter().map(|&k| self.common.regions(k)).collect::<Result<Vec<_>>>()?;
        let (b, d) = (indices.len(), self.common.feature());
        let n = regions.iter().map(|r| r.boxes.len()).max().unwrap_or(1);
        let t = questions.iter().map(|q| q.tokens.len()).max().unwrap_or(1);
        let mut tokens = vec![PAD; b * t];
        let mut features = vec![0f32; b * n * d];
        let mut boxes = vec![0f32; b * n * 4];
        let mut target = vec![0f32; b * self.labels.len()];
        for (row, (question, regions)) in questions.iter().zip(&regions).enumerate() {
            tokens[row * t..][..question.tokens.len()].copy_from_slice(&question.tokens);
            features[row * n * d..][..regions.features.len()].copy_from_slice(&regions.features);
            boxes[row * n * 4..][..4 * regions.boxes.len()].copy_from_slice(regions.boxes.as_flattened());
            if let Some(answer) = question.answer {
                target[row * self.labels.len() + answer as usize] = 1.0;
            }
        }
        let shaped = |t: Tensor, shape: &[usize]| {
            let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            t.view(shape.as_slice()).to_device(self.common.device)
        };
        let inputs = Inputs {
            tokens: shaped(Tensor::from_slice(&tokens), &[b, t]),
            features: shaped(Tensor::from_slice(&features), &[b, n, d]),
            boxes: shaped(Tensor::from_slice(&boxes), &[b, n, 4]),
            token_count: questions.iter().map(|q| q.tokens.len() as i64).collect(),
            region_count: regions.iter().map(|r| r.boxes.len() as i64).collect(),
        };
        Ok(VqaBatch { inputs, target: shaped(Tensor::from_slice(&target), &[b, self.labels.len()]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_frequent_answers_by_first_appearance() {
        let sample = |answer: &str| VqaSample { image: "a".into(), question: "b".into(), answer: answer.into() };
        let lines: Vec<VqaSample> = ["no", "yes", "red", "yes", "no"].map(sample).into();
        assert_eq!(frequent_answers(&lines, 2), ["no", "yes"]);
        assert_eq!(frequent_answers(&lines, 1), ["no", "yes", "red"]);
        assert!(frequent_answers(&lines, 3).is_empty());
    }
}
