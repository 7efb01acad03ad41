//! Checks that there is something to learn in captions.

use std::collections::HashSet;

use mmnas_bundle::Error as BundleError;

use crate::data::learnable::RunParts;
use crate::error::Result;
use crate::task::itm::data::ItmData;

impl ItmData {
    /// Notes on the captions that a run trains on.
    ///
    /// # Errors
    /// A part that is trained on with one image, or with one caption for all images: no pair in it
    /// is wrong.
    pub fn learnable_captions(&self, parts: &RunParts<'_>) -> Result<Vec<String>> {
        let file = self.common().file_of("samples").unwrap_or("samples");
        for part in parts.training {
            let images = self.images_of(part).len();
            let different = part.iter().map(|&caption| self.tokens(caption)).collect::<HashSet<_>>().len();
            if images < 2 || different < 2 {
                let expected = "different captions of at least two images in each part that is trained on";
                let found = format!("{different} different captions, as the network reads them, of {images} images");
                return Err(BundleError::invalid(file, "captions", expected, found).into());
            }
        }
        let mut told = Vec::new();
        let shared = parts.training_samples().filter(|&caption| self.images_with_words(caption) > 1).count();
        let of = parts.training_samples().count();
        if 2 * shared > of {
            told.push(format!("{shared} of {of} captions in training have the words of another image's"));
        }
        if self.images_of(parts.validation).len() == 1 {
            told.push("the validation part has one image: its recall is always 100 %".to_owned());
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::CaptionSample;
    use tch::Device;

    use super::*;
    use crate::data::data_files::DataFiles;
    use crate::data::test_data::{features, lines, recipe};

    fn told(captions: &[(&str, &str)], training: &[&[usize]], validation: &[usize]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2), ("b", 1), ("c", 1)]);
        let sample = |(image, caption): &(&str, &str)| CaptionSample {
            image: (*image).into(),
            captions: vec![(*caption).into()],
        };
        let samples: Vec<CaptionSample> = captions.iter().map(sample).collect();
        let files = DataFiles::new(lines(&path("s.jsonl"), &samples), path("f"));
        let data = ItmData::read(&files, &recipe(&[]), Device::Cpu).unwrap();
        let parts = RunParts { training, validation };
        data.learnable_captions(&parts).unwrap_or_else(|error| vec![format!("error: {error}")])
    }

    #[test]
    fn captions_that_tell_no_image_from_another_are_told() {
        let some = [("a", "a dog"), ("b", "a cat"), ("c", "a car"), ("b", "A cat!")];
        assert_eq!(told(&some, &[&[0, 1, 2, 3]], &[0, 1]), [""; 0]);
        assert_eq!(told(&some, &[&[0, 1]], &[2]), ["the validation part has one image: its recall is always 100 %"]);
        let shared = [("a", "a dog"), ("b", "A dog."), ("c", "a dog"), ("a", "a cat")];
        assert_eq!(
            told(&shared, &[&[0, 1, 2, 3]], &[0, 1]),
            ["3 of 4 captions in training have the words of another image's"]
        );
        for (training, found) in [
            (&[&[0usize, 1, 2][..]], "1 different captions, as the network reads them, of 3 images"),
            (&[&[0, 3][..]], "2 different captions, as the network reads them, of 1 images"),
        ] {
            let told = told(&shared, training, &[0, 1]);
            assert!(told[0].starts_with("error: s.jsonl: captions: ") && told[0].contains(found), "{told:?}");
        }
    }
}
