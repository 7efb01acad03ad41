//! Conversion of the PyPI package `easy-vqa`.
//!
//! Its files are `{train,test}/questions.json`, lists of `[question, answer, image number]`.

use std::collections::HashMap;
use std::path::Path;

use mmnas_bundle::samples::VqaSample;

use crate::data::convert::conversion::{Writer, read_json};
use crate::error::Result;

/// Results of the conversion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Converted {
    /// Number of training questions.
    pub train: usize,
    /// Number of test questions.
    pub test: usize,
    /// Accuracy on the test questions without looking at the image, 0 to 1.
    ///
    /// The prediction is the most frequent training answer to the same question.
    pub without_image: f64,
}

fn read(data: &Path, part: &str) -> Result<Vec<VqaSample>> {
    let questions: Vec<(String, String, u32)> = read_json(&data.join(part).join("questions.json"))?;
    let sample = |(question, answer, image): (_, _, u32)| VqaSample {
        image: format!("{image}.png"),
        question,
        answer,
        ..VqaSample::default()
    };
    Ok(questions.into_iter().map(sample).collect())
}

/// Accuracy on `test` of the most frequent answer in `train` to the same question.
fn accuracy_without_image(train: &[VqaSample], test: &[VqaSample]) -> f64 {
    let mut counts: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
    for sample in train {
        *counts.entry(&sample.question).or_default().entry(&sample.answer).or_default() += 1;
    }
    // Of equally frequent answers the first in the alphabet, so that the result is always the same.
    let best = |answers: &HashMap<&str, usize>| {
        answers
            .iter()
            .map(|(answer, count)| (*count, std::cmp::Reverse(answer.to_string())))
            .max()
            .map(|(_, best)| best.0)
    };
    let best: HashMap<&str, Option<String>> =
        counts.iter().map(|(question, answers)| (*question, best(answers))).collect();
    let right = test.iter().filter(|s| best.get(s.question.as_str()).and_then(Option::as_deref) == Some(&s.answer));
    right.count() as f64 / test.len().max(1) as f64
}

/// Converts the package's data folder into `train.jsonl` and `test.jsonl`.
///
/// They are written to the new folder `out`, which appears complete or not at all. Images are named
/// relative to `<data>/<part>/images`.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if a file cannot be read, does not parse or
/// cannot be written.
pub fn convert(data: &Path, out: &Path) -> Result<Converted> {
    let (train, test) = (read(data, "train")?, read(data, "test")?);
    let mut writer = Writer::create(out)?;
    writer.samples("train.jsonl", &train)?;
    writer.samples("test.jsonl", &test)?;
    writer.finish()?;
    Ok(Converted { train: train.len(), test: test.len(), without_image: accuracy_without_image(&train, &test) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_image_the_frequent_answer_is_taken() {
        let samples = |list: &[(&str, &str)]| -> Vec<VqaSample> {
            let sample = |(q, a): &(&str, &str)| VqaSample {
                image: "0.png".into(),
                question: (*q).into(),
                answer: (*a).into(),
                ..VqaSample::default()
            };
            list.iter().map(sample).collect()
        };
        let train = samples(&[("a?", "yes"), ("a?", "yes"), ("a?", "no"), ("b?", "red")]);
        let test = samples(&[("a?", "yes"), ("a?", "no"), ("b?", "red"), ("c?", "red")]);
        assert!((accuracy_without_image(&train, &test) - 0.5).abs() < 1e-12);
    }
}
