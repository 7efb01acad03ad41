//! How well and how fast a bundle does its task on samples.

mod grounding;
mod images;
mod predict;
mod retrieval;
mod word_net;
mod wups;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

pub use grounding::{GroundingEvaluation, evaluate_grounding};
pub use images::{ImageSource, Images};
pub use predict::{Prediction, predict};
pub use retrieval::{BothWays, Recall, RetrievalEvaluation, RetrievalStage, evaluate_retrieval};
pub use word_net::WordNet;
pub use wups::Wups;

use mmnas_bundle::answers::official_accuracy;
use mmnas_bundle::manifest::{MANIFEST, TaskName};
use mmnas_bundle::samples::{ByImage, Sample, VqaSample};
use serde::Serialize;

use crate::{Error, ImageState, Model, Result};

/// What was evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// The bundle's task.
    pub task: TaskName,
    /// The derived architecture as the paper writes it.
    pub architecture: String,
    /// Number of trained numbers, the vision stage not counted.
    pub parameters: u64,
    /// Size of the bundle in bytes, its manifest included.
    pub bundle_bytes: u64,
}

impl Evaluated {
    fn of(model: &Model) -> Result<Evaluated> {
        let manifest = model.manifest();
        let file = model.bundle().folder().join(MANIFEST);
        let manifest_bytes = file.metadata().map_err(Error::read(&file))?.len();
        Ok(Evaluated {
            task: manifest.task,
            architecture: manifest.architecture.to_string(),
            parameters: manifest.parameters,
            bundle_bytes: model.bundle().bytes().saturating_add(manifest_bytes),
        })
    }
}

/// The accuracy of VQA-v2, which counts an answer by how many of ten annotators gave it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OfficialAccuracy {
    /// Number of questions whose annotators' answers are known.
    pub questions: usize,
    /// Mean of [`official_accuracy`] over these, 0 to 1.
    pub accuracy: f64,
    /// The same by the kind of the answer: "yes/no", "number", "other".
    pub by_type: BTreeMap<String, f64>,
}

/// Sums of official accuracies and their numbers, of all questions and by the kind of the answer.
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
    /// Number of questions whose best answer is the sample's, letter for letter; of several words, joined by commas, in any
    /// order.
    pub correct: usize,
    /// `correct / questions`, 0 to 1.
    pub accuracy: f64,
    /// Number of questions whose answer is one of the bundle's labels: no more can be right.
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
    /// Median milliseconds of an answer about a new image: those of encoding its file and `milliseconds_known`.
    pub milliseconds_new: f64,
}

/// Asks the questions of `samples` about `images`, a folder or region features, encoding each image once, and counts the
/// answers that are right, and their WUPS by the nouns of a WordNet where one is given. A sample whose answer is no label of the
/// bundle counts as wrong. `progress` is called with
/// the number of questions asked after every image.
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

/// Median milliseconds of a sample: on an image that is encoded already, and with its encoding.
struct Times {
    known: f64,
    new: f64,
}

/// Encodes each image of `samples` once and does `each` with every sample on it: its place, and the image's own name and state.
fn timed_by_image<S: Sample>(
    model: &Model,
    samples: &[S],
    images: ImageSource<'_>,
    progress: &mut dyn FnMut(usize),
    mut each: impl FnMut(usize, (&str, &ImageState), &S) -> Result<()>,
) -> Result<Times> {
    let images = images.open(model)?;
    let by_image = checked(samples, &images)?;
    let (mut encode_times, mut times) = (Vec::new(), Vec::with_capacity(samples.len()));
    for (image, of_image) in by_image.images.iter().zip(by_image.samples()) {
        let first = of_image.first().copied().unwrap_or_default();
        let start = Instant::now();
        let state = images.encode(model, image).map_err(Error::of_sample(first, image))?;
        encode_times.push(milliseconds(start));
        for place in of_image {
            let of_sample = |e| Error::of_sample(place, image)(e);
            if let Some(flaw) = samples[place].flaw_in(state.size()) {
                return Err(of_sample(Error::of_flaw(flaw)));
            }
            let start = Instant::now();
            each(place, (image, &state), &samples[place]).map_err(of_sample)?;
            times.push(milliseconds(start));
        }
        progress(times.len());
    }
    let known = median(&mut times);
    Ok(Times { known, new: median(&mut encode_times) + known })
}

/// The samples by their images. None at all is an error, and the first that is wrong by itself: before any work.
fn checked<S: Sample>(samples: &[S], images: &Images<'_>) -> Result<ByImage> {
    if samples.is_empty() {
        return Err(Error::argument("samples", "at least one", 0));
    }
    let mut own: HashMap<&str, String> = HashMap::new();
    let mut names = Vec::with_capacity(samples.len());
    for (place, sample) in samples.iter().enumerate() {
        let of_sample = |e| Error::of_sample(place, sample.image())(e);
        if let Some(flaw) = sample.flaw() {
            return Err(of_sample(Error::of_flaw(flaw)));
        }
        // The file system is asked once an image.
        let name = match own.get(sample.image()) {
            Some(name) => name.clone(),
            None => images.own_name(sample.image()).map_err(of_sample)?,
        };
        own.insert(sample.image(), name.clone());
        names.push(name);
    }
    Ok(ByImage::of(names.iter().map(String::as_str)))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The middle one, or the mean of the two in the middle; 0 for none.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    let (Some(high), Some(low)) = (times.get(times.len() / 2), times.get(times.len().saturating_sub(1) / 2)) else {
        return 0.0;
    };
    (high + low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

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
