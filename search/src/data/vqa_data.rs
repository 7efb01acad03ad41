use std::collections::HashMap;
use std::path::Path;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::samples::{VqaSample, read_json_lines};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::image_text::{ImageTextData, encode_texts};
use crate::Result;
use crate::task::vqa::VqaBatch;

/// How questions and answers become numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRules {
    /// Longer questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Answers that occur less often are no label (9 in the published code: "more than 8 times").
    pub min_answer_count: usize,
    /// A validation of image-text matching ranks at most this many images against each other's captions.
    #[serde(default = "thousand")]
    pub ranked_images: usize,
}

fn thousand() -> usize {
    1000
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
        let texts = lines.iter().map(|line| line.question.as_str());
        let (vocabulary, tokens) = encode_texts(samples, texts, rules.max_tokens)?;
        let label_of: HashMap<&str, i64> =
            labels.iter().enumerate().map(|(k, label)| (label.as_str(), k as i64)).collect();
        let question = |(tokens, line): (Vec<i64>, &VqaSample)| Question {
            tokens,
            answer: label_of.get(line.answer.as_str()).copied(),
        };
        let questions = tokens.into_iter().zip(&lines).map(question).collect();
        let images = lines.iter().map(|line| line.image.as_str());
        let common = ImageTextData::new(samples, images, features, vocabulary, device)?;
        Ok(VqaData { common, questions, labels })
    }

    pub(crate) fn common(&self) -> &ImageTextData {
        &self.common
    }

    /// The answers, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Loads the questions `indices`.
    pub fn batch(&self, indices: &[usize]) -> Result<VqaBatch> {
        let questions: Vec<&Question> = indices.iter().map(|&k| &self.questions[k]).collect();
        let tokens: Vec<&[i64]> = questions.iter().map(|q| q.tokens.as_slice()).collect();
        let (inputs, _) = self.common.inputs(indices, &tokens)?;
        let width = self.labels.len();
        let mut target = vec![0f32; indices.len() * width];
        for (row, answer) in questions.iter().enumerate().filter_map(|(row, q)| Some((row, q.answer?))) {
            target[row * width + answer as usize] = 1.0;
        }
        Ok(VqaBatch { inputs, target: self.common.shaped(Tensor::from_slice(&target), &[indices.len(), width]) })
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
