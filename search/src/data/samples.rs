//! The samples whose images have features, and the words of their texts.

use mmnas_bundle::Vocabulary;
use mmnas_bundle::samples::{Flaw, Sample};

use crate::data::data_files::{DataFiles, Samples};
use crate::data::feature_folders::{FeatureFolders, FoundImage};
use crate::error::Result;

/// The samples that were read, the image of each, and the words of their texts.
pub(crate) struct ReadSamples<S> {
    pub read: Samples<S>,
    pub images: Vec<FoundImage>,
    pub vocabulary: Vocabulary,
}

/// Reads the samples that have features and words.
///
/// New words get ids unless the vocabulary is given.
pub(crate) fn read_samples<S: Sample>(files: &DataFiles, features: &FeatureFolders) -> Result<ReadSamples<S>> {
    let given = files.vocabulary()?;
    let grows = given.is_none();
    let mut vocabulary = given.unwrap_or_default();
    let mut images = Vec::new();
    let read = files.read(|sample: &S| {
        let image = match features.find(sample.image()) {
            Ok(image) => image,
            Err(flaw) => return Ok(Some(flaw)),
        };
        if let Some(flaw) = features.size(&image).and_then(|size| sample.flaw_in(size)) {
            return Ok(Some(flaw));
        }
        let mut words = Vec::new();
        for text in sample.texts() {
            let split = vocabulary.split(text)?;
            if split.is_empty() {
                return Ok(Some(Flaw::no_word(text)));
            }
            words.extend(split);
        }
        // Only now, so that a sample that is left out leaves no word behind.
        words.into_iter().filter(|_| grows).for_each(|word| vocabulary.add_word(word));
        images.push(image);
        Ok(None)
    })?;
    Ok(ReadSamples { read, images, vocabulary })
}
