//! How many questions a bundle answers right, and how fast.

use std::collections::{BTreeMap, HashSet};

use mmnas_bundle::answers::official_accuracy;
use mmnas_bundle::samples::VqaSample;
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::images::ImageSource;
use crate::evaluate::word_net::WordNet;
use crate::evaluate::wups::{self, Wups};
use crate::evaluate::{Evaluated, timed_by_image};
use crate::model::Model;

/// The accuracy of VQA-v2.
///
/// It counts an answer by how many of ten annotators gave it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OfficialAccuracy {
    /// Number of questions whose annotators' answers are known.
    pub questions: usize,
    /// Mean of [`official_accuracy`] over these, 0 to 1.
    pub accuracy: f64,
    /// The same by the kind of the answer: "yes/no", "number", "other".
    pub by_type: BTreeMap<String, f64>,
}

/// Sums of official accuracies and their numbers, of all questions and by kind.
#[derive(Default)]
struct Official {
    all: (f64, usize),
    by_type: BTreeMap<String, (f64, usize)>,
}

impl Official {
    fn add(&mut self, answer: &str, sample: &VqaSample) {
        if sample.answers.is_empty() {
            return;
        }
        let accuracy = official_accuracy(answer, &sample.answers);
        let add = |(sum, count): &mut (f64, usize)| {
            *sum += accuracy;
            *count += 1;
        };
        add(&mut self.all);
        sample.answer_type.iter().for_each(|kind| add(self.by_type.entry(kind.clone()).or_default()));
    }

    fn mean(self) -> Option<OfficialAccuracy> {
        let mean = |(sum, count): (f64, usize)| sum / count.max(1) as f64;
        let by_type = self.by_type.into_iter().map(|(kind, sums)| (kind, mean(sums))).collect();
        let questions = self.all.1;
        (questions > 0).then(|| OfficialAccuracy { questions, accuracy: mean(self.all), by_type })
    }
}

/// How well and how fast a bundle answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The bundle.
    #[serde(flatten)]
    pub bundle: Evaluated,
    /// Number of questions that were asked.
    pub questions: usize,
    /// Number of questions whose best answer is the sample's, letter for letter.
    ///
    /// An answer of several words, joined by commas, may have them in any order.
    pub correct: usize,
    /// `correct / questions`, 0 to 1.
    pub accuracy: f64,
    /// Number of questions whose answer is one of the bundle's labels.
    ///
    /// No more can be right.
    pub known: usize,
    /// Number of questions whose answer is no list of several.
    pub single: usize,
    /// How many of these are right.
    pub single_correct: usize,
    /// The accuracy by the annotators' answers, where the samples have such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub official: Option<OfficialAccuracy>,
    /// Mean WUPS, where a WordNet was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wups: Option<Wups>,
    /// Median milliseconds of an answer about an image that is encoded already: text, fusion, ranking.
    pub milliseconds_known: f64,
    /// Median milliseconds of an answer about a new image.
    ///
    /// That is the time of encoding its file and `milliseconds_known`.
    pub milliseconds_new: f64,
}

/// Asks the questions of `samples` about `images` and counts the right answers.
///
/// The images lie in a folder or are region features; each is encoded once. With a WordNet the WUPS of the answers are
/// counted too. A sample whose answer is no label of the bundle counts as wrong. `progress` is called with the number
/// of questions asked after every image.
///
/// # Errors
/// No sample; region features that are not the bundle's; a sample without an answer, whose image leaves the folder, is missing, may
/// be one of several or cannot be read, or whose question holds no word; a bundle of another task than VQA; a failure of ONNX
/// Runtime.
pub fn evaluate<'a>(
    model: &Model,
    samples: &[VqaSample],
    images: impl Into<ImageSource<'a>>,
    word_net: Option<&WordNet>,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation> {
    let labels: HashSet<_> = model.check_answering(1)?.iter().map(|label| wups::word_set(label)).collect();
    let (mut correct, mut known, mut single, mut single_correct) = (0, 0, 0, 0);
    let (mut sums, mut official) = (Wups::default(), Official::default());
    let times = timed_by_image(model, samples, images.into(), progress, |_, (_, image), sample| {
        let answers = model.answer(image, &sample.question, 1)?;
        let found = answers.first().map_or("", |best| best.label.as_str());
        let expected = wups::word_set(&sample.answer);
        let (right, alone) = (wups::word_set(found) == expected, expected.len() == 1);
        official.add(found, sample);
        correct += usize::from(right);
        known += usize::from(labels.contains(&expected));
        single += usize::from(alone);
        single_correct += usize::from(alone && right);
        if let Some(net) = word_net {
            sums.at_0_9 += wups::wups(net, found, &sample.answer, 0.9);
            sums.at_0_0 += wups::wups(net, found, &sample.answer, 0.0);
        }
        Ok(())
    })?;
    Ok(Evaluation {
        bundle: Evaluated::of(model)?,
        questions: samples.len(),
        correct,
        accuracy: correct as f64 / samples.len() as f64,
        known,
        single,
        single_correct,
        official: official.mean(),
        wups: word_net
            .map(|_| Wups { at_0_9: sums.at_0_9 / samples.len() as f64, at_0_0: sums.at_0_0 / samples.len() as f64 }),
        milliseconds_known: times.known,
        milliseconds_new: times.new,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_accuracies_are_means_over_the_questions_that_annotators_answered() {
        let sample = |kind: Option<&str>, given: &[(&str, usize)]| VqaSample {
            answers: given.iter().flat_map(|(text, n)| vec![(*text).to_owned(); *n]).collect(),
            answer_type: kind.map(str::to_owned),
            ..VqaSample::default()
        };
        let mut official = Official::default();
        official.add("dog", &sample(None, &[]));
        assert_eq!(Official::default().mean(), None);
        official.add("yes", &sample(Some("yes/no"), &[("yes", 10)]));
        official.add("dog", &sample(Some("other"), &[("cat", 9), ("dog", 1)]));
        official.add("cow", &sample(Some("other"), &[("cat", 9), ("dog", 1)]));
        let found = official.mean().unwrap();
        assert!(found.questions == 3 && (found.accuracy - 1.3 / 3.0).abs() < 1e-12, "{found:?}");
        assert!((found.by_type["other"] - 0.15).abs() < 1e-12 && found.by_type["yes/no"] == 1.0, "{found:?}");
    }
}
