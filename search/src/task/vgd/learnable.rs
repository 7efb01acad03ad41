//! Checks that there is something to learn in phrases.

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::boxes::grounding_target;

use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::task::vgd::data::VgdData;

impl VgdData {
    /// Notes on the boxes that a run trains on.
    ///
    /// Only the images in `seen` are looked at for training.
    ///
    /// # Errors
    /// No phrase with a region whose intersection over union with its box is 0.5 or more: the loss
    /// would always be 0. Features of the validation part that cannot be read.
    pub fn learnable_boxes(&self, parts: &RunParts<'_>, seen: &[SeenImage]) -> Result<Vec<String>> {
        let (without, phrases) = self.without_region(parts.training_samples(), seen);
        let file = self.common().file_of("samples").unwrap_or("samples");
        if phrases > 0 && without == phrases {
            let images = seen.len();
            let found = format!(
                "none of {phrases} phrases of {images} images; are the boxes x1, y1, x2, y2 in pixels of the same images as the regions?"
            );
            let expected = "a phrase with a region whose intersection over union with its box is at least 0.5";
            return Err(BundleError::invalid(file, "box_xyxy", expected, found).into());
        }
        let mut told = Vec::new();
        if without > 0 {
            told.push(format!("{without} of {phrases} phrases have no region with an intersection over union of 0.5: nothing is learnt from them"));
        }
        let validation = self.common().look_at_images(parts.validation.iter().copied())?;
        let (without, phrases) = self.without_region(parts.validation.iter().copied(), &validation);
        if phrases > 0 && without == phrases {
            told.push(format!(
                "none of {phrases} phrases of the validation part has a region with an intersection over union of 0.5"
            ));
        }
        Ok(told)
    }

    /// Counts the phrases of `samples` without a region that they can mean, and all.
    ///
    /// It counts only phrases about the images in `seen`.
    fn without_region(&self, samples: impl Iterator<Item = usize>, seen: &[SeenImage]) -> (usize, usize) {
        let (mut without, mut phrases) = (0, 0);
        for sample in samples {
            let image = self.common().image_of(sample);
            // They were looked at in the order of their numbers.
            let Ok(place) = seen.binary_search_by_key(&image, |seen| seen.image) else { continue };
            let target = grounding_target(&seen[place].boxes, self.targets(sample));
            phrases += 1;
            without += usize::from(target.mask.iter().all(|counts| *counts == 0.0));
        }
        (without, phrases)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::PhraseSample;
    use tch::Device;

    use super::*;
    use crate::data::data_files::DataFiles;
    use crate::data::test_data::{features, lines, recipe};

    #[test]
    fn phrases_that_no_region_can_be_meant_by_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Regions are 10 pixels wide from x = 0 and 1 on, 20 high, in images of 100 × 50.
        features(&path("f"), 3, "vision", &[("a", 2), ("b", 1)]);
        let sample = |image: &str, box_xyxy| PhraseSample { image: image.into(), phrase: "it".into(), box_xyxy };
        let (near, far) = ([0.0, 0.0, 10.0, 20.0], [50.0, 20.0, 90.0, 49.0]);
        let samples = [sample("a", near), sample("a", far), sample("b", far), sample("b", near)];
        let files = DataFiles::new(lines(&path("s.jsonl"), &samples), path("f"));
        let data = VgdData::read(&files, &recipe(&[]), Device::Cpu).unwrap();
        let told = |training: &[usize], validation: &[usize]| {
            let seen = data.common().look_at_images(training.iter().copied()).unwrap();
            let parts = RunParts { training: &[training], validation };
            data.learnable_boxes(&parts, &seen).map_err(|e| e.to_string())
        };
        assert_eq!(told(&[0, 3], &[0]), Ok(vec![]));
        let some = told(&[0, 1], &[2]).unwrap();
        assert!(some[0].starts_with("1 of 2 phrases have no region"), "{some:?}");
        assert!(some[1].starts_with("none of 1 phrases of the validation part"), "{some:?}");
        let error = told(&[1, 2], &[0]).unwrap_err();
        assert!(error.contains("s.jsonl: box_xyxy") && error.contains("none of 2 phrases of 2 images"), "{error}");
    }
}
