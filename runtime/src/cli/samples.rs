//! Files of samples as commands read them.
//!
//! What training refuses is refused here too, with the same line.

use std::collections::HashMap;

use mmnas_runtime::bundle::samples::{Flaw, Reading, Sample, SampleFile};
use mmnas_runtime::{Error, ImageSource, Images, Model};

use crate::cli::failure::Failure;
use crate::cli::images::OnSamples;
use crate::cli::output;

/// Reads the samples of a command and does `with` them and their images.
///
/// An error that is of a sample names its line. What was left out is told on the standard error output.
pub(crate) fn with_samples<S: Sample, T>(
    given: &OnSamples,
    model: &Model,
    reading: Reading,
    with: impl FnOnce(&SampleFile<S>, ImageSource<'_>) -> Result<T, Failure>,
) -> Result<(T, SampleFile<S>), Failure> {
    given.images.open(model, |images| {
        let read = read::<S>(given, model, &images.open(model)?, reading)?;
        if read.broken.count > 0 {
            output::line(&read.broken);
        }
        let outcome = with(&read, images).map_err(|failure| match failure {
            Failure::Library(error) => Failure::Library(error.at_line(&read.file, &read.lines)),
            other => other,
        })?;
        Ok((outcome, read))
    })
}

fn read<S: Sample>(
    given: &OnSamples,
    model: &Model,
    images: &Images<'_>,
    reading: Reading,
) -> Result<SampleFile<S>, Failure> {
    let mut sizes: HashMap<String, Result<(u32, u32), Flaw>> = HashMap::new();
    let read = SampleFile::read(&given.samples, reading, |sample: &S| {
        let name = sample.image();
        // Only where an image that cannot be decoded is left out, it has to be known before: decoding takes its time.
        let size = || if reading.skip_broken { images.decode(name) } else { images.find(name) };
        if !sizes.contains_key(name) {
            sizes.insert(name.to_owned(), size().map_err(|error| flaw_of(images, name, &error)));
        }
        match sizes.get(name) {
            Some(Err(flaw)) => return Ok(Some(flaw.clone())),
            Some(Ok(size)) => {
                if let Some(flaw) = sample.flaw_in(*size) {
                    return Ok(Some(flaw));
                }
            }
            None => {}
        }
        for text in sample.texts() {
            match model.coverage(text) {
                Ok(coverage) if coverage.words == 0 => return Ok(Some(Flaw::no_word(text))),
                Ok(_) => {}
                Err(Error::Bundle(error)) => return Err(error),
                Err(error) => {
                    let expected = "a text that the bundle's tokenizer reads";
                    return Ok(Some(Flaw { field: "text", expected, found: error.to_string() }));
                }
            }
        }
        Ok(None)
    })?;
    Ok(read)
}

/// What is wrong with a sample whose image is not as it must be.
fn flaw_of(images: &Images<'_>, name: &str, error: &Error) -> Flaw {
    let (expected, found) = match images {
        Images::Features(store) => match store.find(name) {
            Ok(None) => ("an image whose features are there", name.to_owned()),
            Ok(Some(_)) => ("an image whose features can be read", error.to_string()),
            Err(_) => ("the name of one image", error.to_string()),
        },
        Images::Folder(_) => ("an image file in the folder of the images", error.to_string()),
    };
    Flaw { field: "image", expected, found }
}
