//! The samples of files whose images have features, and the words of their texts.

use mmnas_bundle::{Error as BundleError, FeatureStore, Vocabulary};

use super::data_files::{DataFiles, Flaw, Sample, Samples};
use crate::Result;

/// Opens the folders of features, which must agree.
pub(super) fn open_features(files: &DataFiles) -> Result<Vec<FeatureStore>> {
    let stores =
        files.features.iter().map(|folder| FeatureStore::open(folder)).collect::<mmnas_bundle::Result<Vec<_>>>()?;
    let none = || BundleError::invalid("features", "(folders)", "at least one folder of features", "none");
    let first = stores.first().ok_or_else(none)?;
    for (store, folder) in stores.iter().zip(&files.features) {
        let differs = |field: &str, expected: String, found: String| {
            let expected = format!("{expected}, as in {}", files.features[0].display());
            Err(BundleError::invalid(folder.join("features.json"), field, expected, found).into())
        };
        if store.feature() != first.feature() {
            return differs("feature", first.feature().to_string(), store.feature().to_string());
        }
        if store.vision_sha256() != first.vision_sha256() {
            return differs("vision_sha256", first.vision_sha256().to_owned(), store.vision_sha256().to_owned());
        }
    }
    Ok(stores)
}

/// Reads the samples that have features and words; words that are new get ids unless the vocabulary is given.
pub(super) fn read_samples<S: Sample>(
    files: &DataFiles,
    features: &[FeatureStore],
) -> Result<(Samples<S>, Vocabulary)> {
    let given = files.vocabulary()?;
    let grows = given.is_none();
    let mut vocabulary = given.unwrap_or_default();
    let read = files.read(|sample: &S| {
        let found = || sample.image().to_owned();
        match features.iter().filter(|store| store.contains(sample.image())).count() {
            0 => {
                return Ok(Some(Flaw {
                    field: "image",
                    expected: "an image whose features are there",
                    found: found(),
                }));
            }
            1 => {}
            _ => {
                let expected = "an image whose features are in one folder only";
                return Ok(Some(Flaw { field: "image", expected, found: found() }));
            }
        }
        let size = features.iter().find_map(|store| store.size(sample.image()));
        if let Some(flaw) = size.filter(|size| size.0 > 0 && size.1 > 0).and_then(|size| sample.flaw_in(size)) {
            return Ok(Some(flaw));
        }
        let mut words = Vec::new();
        for text in sample.texts() {
            let split = vocabulary.split(text)?;
            if split.is_empty() {
                return Ok(Some(Flaw { field: "text", expected: "at least one word", found: format!("{text:?}") }));
            }
            words.extend(split);
        }
        // Only now, so that a sample that is left out leaves no word behind.
        words.into_iter().filter(|_| grows).for_each(|word| vocabulary.add_word(word));
        Ok(None)
    })?;
    Ok((read, vocabulary))
}
