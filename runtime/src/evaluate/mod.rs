//! How well and how fast a bundle does its task on samples.

pub(crate) mod answers;
pub(crate) mod grounding;
pub(crate) mod images;
pub(crate) mod predict;
pub(crate) mod retrieval;
pub(crate) mod word_net;
pub(crate) mod wups;

use std::collections::HashMap;
use std::time::Instant;

use mmnas_bundle::manifest::{MANIFEST, TaskName};
use mmnas_bundle::samples::{ByImage, Sample};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::evaluate::images::{ImageSource, Images};
use crate::model::Model;
use crate::model::state::ImageState;

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

/// Median milliseconds of a sample, without and with the encoding of its image.
struct Times {
    known: f64,
    new: f64,
}

/// Encodes each image of `samples` once and does `each` with every sample on it.
///
/// `each` gets the sample's place, and the image's own name and state.
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

/// Checks the samples and groups them by their images, before any work.
///
/// No sample at all is an error, and the first that is wrong by itself.
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
}
