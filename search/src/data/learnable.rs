//! Checks before a run that a data set has something to learn.
//!
//! They look at a bounded number of images.

use std::collections::BTreeSet;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::boxes::BoxXyxy;
use rayon::prelude::*;

use crate::data::dataset::ImageTextData;
use crate::error::Result;
use crate::recipe::model::Modalities;

/// Largest number of images that are looked at.
///
/// With 100 regions of 2,048 features each they are 200 MB.
const MOST_IMAGES: usize = 256;
/// Largest number of names in a line.
const MOST_NAMES: usize = 5;

/// The samples that a run trains on, by part, and validates on.
#[derive(Debug, Clone, Copy)]
pub struct RunParts<'a> {
    /// Training parts: one, or in a search that of the weights and that of alpha.
    pub training: &'a [&'a [usize]],
    /// The validation part.
    pub validation: &'a [usize],
}

impl RunParts<'_> {
    /// All training samples.
    pub(crate) fn training_samples(&self) -> impl Iterator<Item = usize> {
        self.training.iter().flat_map(|part| part.iter().copied())
    }
}

/// An image that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenImage {
    /// Its index.
    pub image: usize,
    /// The boxes of the regions that a network gets.
    pub boxes: Vec<BoxXyxy>,
    /// Whether all its features are 0.
    pub(crate) is_zero: bool,
    /// Whether its features are those of the first image, number by number.
    ///
    /// The first image is the first that was looked at.
    pub(crate) is_first: bool,
    /// Whether all its regions have the features of that image's first region.
    pub(crate) is_constant: bool,
}

/// At most `most` of `from`, spread evenly.
pub(crate) fn spread<T: Copy>(from: &[T], most: usize) -> Vec<T> {
    let count = from.len().min(most);
    (0..count).map(|k| from[k * from.len() / count]).collect()
}

/// The first names, and the number of the others.
pub(crate) fn some_names<S: AsRef<str>>(names: &[S]) -> String {
    let first: Vec<&str> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

impl ImageTextData {
    /// Looks at some images of `samples`, spread evenly.
    ///
    /// # Errors
    ///
    /// Features that cannot be read or are not finite, with the image's name.
    pub fn look_at_images(&self, samples: impl IntoIterator<Item = usize>) -> Result<Vec<SeenImage>> {
        let images: BTreeSet<usize> = samples.into_iter().map(|sample| self.image_of(sample)).collect();
        let images = spread(&images.into_iter().collect::<Vec<_>>(), MOST_IMAGES);
        let Some(&first) = images.first() else { return Ok(Vec::new()) };
        let first = self.regions_of_image(first)?.features;
        let row = &first[..self.feature().min(first.len())];
        let look = |&image: &usize| {
            let regions = self.regions_of_image(image)?;
            Ok(SeenImage {
                image,
                is_zero: regions.features.iter().all(|v| *v == 0.0),
                is_first: regions.features == first,
                is_constant: regions.features.chunks(self.feature().max(1)).all(|region| region == row),
                boxes: regions.boxes,
            })
        };
        images.par_iter().map(look).collect()
    }

    /// Warnings about the images and words that a run trains on, for every task.
    ///
    /// # Errors
    ///
    /// The same features in all images; texts of which no word is known.
    pub fn learnable(&self, seen: &[SeenImage]) -> Result<Vec<String>> {
        let mut told = Vec::new();
        if self.modalities() != Modalities::Text {
            told.extend(self.learnable_features(seen)?);
        }
        if self.modalities() != Modalities::Image {
            told.extend(self.learnable_words()?);
        }
        Ok(told)
    }

    fn learnable_features(&self, seen: &[SeenImage]) -> Result<Option<String>> {
        let same = seen.iter().all(|image| image.is_first) || seen.iter().all(|image| image.is_constant);
        if seen.len() > 1 && same {
            let zero = if seen.iter().all(|image| image.is_zero) { ", all 0" } else { "" };
            let found = format!("the same features{zero} in all {} images that were looked at", seen.len());
            return Err(BundleError::invalid("features", "(training)", "features that differ", found).into());
        }
        let zero: Vec<&str> = seen.iter().filter(|image| image.is_zero).map(|i| self.image_name(i.image)).collect();
        Ok((!zero.is_empty()).then(|| {
            let (count, of) = (zero.len(), seen.len());
            format!("{count} of {of} images that were looked at have features that are all 0: {}", some_names(&zero))
        }))
    }

    fn learnable_words(&self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let (unknown, words) = self.unknown_words();
        let file = self.file_of("tokenizer").unwrap_or("tokenizer.json");
        if words > 0 && unknown == words {
            let found = format!("none of {words}");
            return Err(BundleError::invalid(file, "model.vocab", "words of the samples' texts", found).into());
        }
        if 2 * unknown > words {
            told.push(format!(
                "{unknown} of {words} words of the samples' texts are not in {file}: each is read as one and the same unknown word"
            ));
        }
        if self.word_vectors().is_some_and(|vectors| vectors.found() == 0) {
            let file = self.file_of("word vectors").unwrap_or("the file of word vectors");
            told.push(format!("{file} has a vector of no word of the texts: all start at random"));
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::VqaSample;
    use mmnas_bundle::{FeatureWriter, RegionFeatures, Vocabulary};
    use tch::Device;

    use super::*;
    use crate::data::data_files::DataFiles;
    use crate::data::test_data::{lines, question, recipe};

    #[test]
    fn images_are_spread_and_names_are_few() {
        assert_eq!(spread(&[1, 2, 3], 5), [1, 2, 3]);
        assert_eq!(spread(&(0..10).collect::<Vec<_>>(), 4), [0, 2, 5, 7]);
        assert_eq!(spread::<usize>(&[], 4), [0; 0]);
        assert_eq!(some_names(&["a", "b"]), "a, b");
        assert_eq!(some_names(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn images_and_words_that_nothing_can_be_learnt_from_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let images = ["a", "b", "c"];
        let write = |name: &str, features: [[f32; 4]; 3]| {
            std::fs::create_dir(path(name)).unwrap();
            let mut writer = FeatureWriter::new(&path(name), 2, "vision".to_owned());
            let regions = |features: [f32; 4]| RegionFeatures {
                features: features.to_vec(),
                boxes: vec![[0.0, 0.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0]],
                size: (20, 20),
            };
            let shard = images.iter().zip(features).map(|(image, features)| ((*image).to_owned(), regions(features)));
            writer.write_shard(shard.collect()).unwrap();
            writer.finish().unwrap();
        };
        let file = lines(&path("s.jsonl"), &images.map(|image| question(image, "what is new here")));
        let told = |features: &str, modalities: Modalities, tokenizer: Option<&str>| {
            let mut files = DataFiles::new(&file, path(features));
            if let Some(words) = tokenizer {
                let mut vocabulary = Vocabulary::new();
                vocabulary.add_text(words).unwrap();
                std::fs::write(path("t.json"), vocabulary.to_tokenizer_json()).unwrap();
                files.tokenizer = Some(path("t.json"));
            }
            let mut common = ImageTextData::load::<VqaSample>(&files, &recipe(&[]), Device::Cpu).unwrap().common;
            common.set_modalities(modalities);
            let seen = common.look_at_images([0, 1, 2]).unwrap();
            common.learnable(&seen).unwrap_or_else(|error| vec![format!("error: {error}")])
        };
        write("good", [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0], [0.0, 0.0, 0.0, 1.0]]);
        write("some_zero", [[0.0; 4], [1.0, 2.0, 3.0, 5.0], [0.0; 4]]);
        write("same", [[1.0, 2.0, 3.0, 4.0]; 3]);
        write("constant", [[1.0, 2.0, 1.0, 2.0]; 3]);
        write("zero", [[0.0; 4]; 3]);
        assert_eq!(told("good", Modalities::Both, None), [""; 0]);
        let found = told("some_zero", Modalities::Both, None);
        assert_eq!(found, ["2 of 3 images that were looked at have features that are all 0: a, c"]);
        for name in ["same", "constant", "zero"] {
            let found = told(name, Modalities::Both, None);
            assert!(found[0].starts_with("error: features: (training): expected features that differ"), "{found:?}");
            assert_eq!(found[0].contains("all 0"), name == "zero", "{found:?}");
            // A unimodal baseline that is shown the text alone reads none of them.
            assert_eq!(told(name, Modalities::Text, None), [""; 0]);
        }
        let found = told("good", Modalities::Both, Some("what"));
        assert!(found[0].starts_with("9 of 12 words of the samples' texts are not in t.json"), "{found:?}");
        let found = told("good", Modalities::Both, Some("other words"));
        assert!(found[0].starts_with("error: t.json: model.vocab"), "{found:?}");
        assert_eq!(told("good", Modalities::Image, Some("other words")), [""; 0]);
    }
}
