//! How well and how fast a bundle does its task on samples.

mod grounding;
mod retrieval;
mod word_net;
mod wups;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

pub use grounding::{GroundingEvaluation, evaluate_grounding};
pub use retrieval::{Recall, RetrievalEvaluation, RetrievalStage, evaluate_retrieval};
pub use word_net::WordNet;
pub use wups::Wups;

use mmnas_bundle::manifest::{MANIFEST, TaskName};
use mmnas_bundle::samples::VqaSample;
use serde::Serialize;

use crate::{Error, ImageState, Model, Result, image_files};

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
    /// Mean WUPS, where a WordNet was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wups: Option<Wups>,
    /// Median milliseconds of an answer about an image that is encoded already: text, fusion, ranking.
    pub milliseconds_known: f64,
    /// Median milliseconds of an answer about a new image: those of encoding its file and `milliseconds_known`.
    pub milliseconds_new: f64,
}

/// Asks the questions of `samples` about the images in the folder `images`, encoding each image once, and counts the
/// answers that are right, and their WUPS by the nouns of a WordNet where one is given. A sample whose answer is no label of the
/// bundle counts as wrong. `progress` is called with
/// the number of questions asked after every image.
///
/// # Errors
/// No sample; a sample whose image leaves the folder or cannot be read, or whose question holds no word; a bundle of
/// another task than VQA; a failure of ONNX Runtime.
pub fn evaluate(
    model: &Model,
    samples: &[VqaSample],
    images: &Path,
    word_net: Option<&WordNet>,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation> {
    let labels: HashSet<_> = model.check_answering(1)?.iter().map(|label| wups::word_set(label)).collect();
    let (mut correct, mut known, mut single, mut single_correct) = (0, 0, 0, 0);
    let mut sums = Wups::default();
    let times = timed_by_image(
        model,
        samples,
        |sample| &sample.image,
        images,
        progress,
        |image, sample| {
            let answers = model.answer(image, &sample.question, 1)?;
            let found = answers.first().map_or("", |best| best.label.as_str());
            let expected = wups::word_set(&sample.answer);
            let (right, alone) = (wups::word_set(found) == expected, expected.len() == 1);
            correct += usize::from(right);
            known += usize::from(labels.contains(&expected));
            single += usize::from(alone);
            single_correct += usize::from(alone && right);
            if let Some(net) = word_net {
                sums.at_0_9 += wups::wups(net, found, &sample.answer, 0.9);
                sums.at_0_0 += wups::wups(net, found, &sample.answer, 0.0);
            }
            Ok(())
        },
    )?;
    Ok(Evaluation {
        bundle: Evaluated::of(model)?,
        questions: samples.len(),
        correct,
        accuracy: correct as f64 / samples.len() as f64,
        known,
        single,
        single_correct,
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

/// Encodes each image of `samples` once, from its file in the folder `images`, and does `each` with every sample on it.
fn timed_by_image<T>(
    model: &Model,
    samples: &[T],
    image: fn(&T) -> &String,
    images: &Path,
    progress: &mut dyn FnMut(usize),
    mut each: impl FnMut(&ImageState, &T) -> Result<()>,
) -> Result<Times> {
    if samples.is_empty() {
        return Err(Error::argument("samples", "at least one", 0));
    }
    let (mut encode_times, mut times) = (Vec::new(), Vec::with_capacity(samples.len()));
    for (image, of_image) in by_image(samples, image) {
        let first = of_image.first().map_or(0, |(place, _)| *place);
        let start = Instant::now();
        let state = image_files::inside(images, image).and_then(|file| model.encode_image_file(&file));
        let state = state.map_err(Error::of_sample(first, image))?;
        encode_times.push(milliseconds(start));
        for (place, sample) in of_image {
            let start = Instant::now();
            each(&state, sample).map_err(Error::of_sample(place, image))?;
            times.push(milliseconds(start));
        }
        progress(times.len());
    }
    let known = median(&mut times);
    Ok(Times { known, new: median(&mut encode_times) + known })
}

/// The samples of each image with their places, images in the order of their first appearance.
fn by_image<T>(samples: &[T], image: fn(&T) -> &String) -> Vec<(&str, Vec<(usize, &T)>)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(&str, Vec<(usize, &T)>)> = Vec::new();
    for (number, sample) in samples.iter().enumerate() {
        let place = *places.entry(image(sample).as_str()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((image(sample), Vec::new()));
        }
        groups[place].1.push((number, sample));
    }
    groups
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
    fn questions_of_an_image_come_together() {
        let sample = |image: &str, question: &str| VqaSample {
            image: image.into(),
            question: question.into(),
            ..VqaSample::default()
        };
        let samples = [sample("b", "1"), sample("a", "2"), sample("b", "3")];
        let groups = by_image(&samples, |sample| &sample.image);
        assert_eq!(groups.iter().map(|(image, q)| (*image, q.len())).collect::<Vec<_>>(), [("b", 2), ("a", 1)]);
        assert_eq!((groups[0].1[1].0, groups[0].1[1].1.question.as_str()), (2, "3"));
    }
}
