//! Grounding data: phrases and the boxes that they mean.

use std::collections::HashMap;

use mmnas_bundle::boxes::{BoxXyxy, grounding_target};
use mmnas_bundle::samples::PhraseSample;
use tch::{Device, Tensor};

use crate::data::data_files::DataFiles;
use crate::data::dataset::{ImageTextData, Loaded};
use crate::error::Result;
use crate::recipe::Recipe;
use crate::recipe::score_padding::ScorePadding;
use crate::recipe::vgd::VgdSettings;
use crate::task::vgd::batch::VgdBatch;

#[derive(Debug)]
struct Phrase {
    tokens: Vec<i64>,
    /// Boxes that the phrase means, at least one.
    targets: Vec<BoxXyxy>,
}

/// A visual grounding data set: phrases as token ids, the boxes that they mean.
#[derive(Debug)]
pub struct VgdData {
    common: ImageTextData,
    phrases: Vec<Phrase>,
    settings: VgdSettings,
    padding: ScorePadding,
}

impl VgdData {
    /// Reads JSON lines (see [`PhraseSample`]) and opens the features of their images.
    ///
    /// The vocabulary has the phrases' words by first appearance, if none is given.
    pub(super) fn read(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<VgdData> {
        let Loaded { mut common, samples, tokens } = ImageTextData::load::<PhraseSample>(files, recipe, device)?;
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut known: HashMap<(&str, &str), usize> = HashMap::new();
        let mut counts = Vec::with_capacity(samples.len());
        for (tokens, sample) in tokens.into_iter().zip(&samples) {
            let place = *known.entry((&sample.image, &sample.phrase)).or_insert(phrases.len());
            let is_known = recipe.vgd.any_box && place < phrases.len();
            counts.push(usize::from(!is_known));
            if is_known {
                phrases[place].targets.push(sample.box_xyxy);
            } else {
                phrases.push(Phrase { tokens, targets: vec![sample.box_xyxy] });
            }
        }
        common.split_samples(&counts);
        let published = recipe.published.score_padding;
        let padding = if published { ScorePadding::Published } else { ScorePadding::Masked };
        Ok(VgdData { common, phrases, settings: recipe.vgd, padding })
    }

    /// The recipe's settings of this task.
    pub(crate) fn settings(&self) -> VgdSettings {
        self.settings
    }

    pub(crate) fn common(&self) -> &ImageTextData {
        &self.common
    }

    pub(crate) fn common_mut(&mut self) -> &mut ImageTextData {
        &mut self.common
    }

    /// The token ids of a phrase.
    pub fn tokens(&self, sample: usize) -> &[i64] {
        &self.phrases[sample].tokens
    }

    /// The boxes that a phrase means, any of which is right; at least one.
    pub(crate) fn targets(&self, sample: usize) -> &[BoxXyxy] {
        &self.phrases[sample].targets
    }

    /// Which regions share the scores.
    pub fn padding(&self) -> ScorePadding {
        self.padding
    }

    /// Loads the phrases `indices`.
    ///
    /// # Errors
    /// Features that cannot be read.
    pub fn batch(&self, indices: &[usize]) -> Result<VgdBatch> {
        let phrases: Vec<&Phrase> = indices.iter().map(|&k| &self.phrases[k]).collect();
        let tokens: Vec<&[i64]> = phrases.iter().map(|p| p.tokens.as_slice()).collect();
        let (inputs, regions) = self.common.inputs(indices, &tokens)?;
        let (b, n) = (indices.len(), inputs.features.size()[1] as usize);
        let (mut scores, mut mask, mut deltas) = (vec![0f32; b * n], vec![0f32; b * n], vec![0f32; b * n * 4]);
        for (row, (phrase, regions)) in phrases.iter().zip(&regions).enumerate() {
            let target = grounding_target(&regions.boxes, &phrase.targets);
            scores[row * n..][..target.scores.len()].copy_from_slice(&target.scores);
            mask[row * n..][..target.mask.len()].copy_from_slice(&target.mask);
            deltas[row * n * 4..][..4 * target.deltas.len()].copy_from_slice(target.deltas.as_flattened());
        }
        let shaped = |values: &[f32], shape: &[usize]| self.common.shaped(Tensor::from_slice(values), shape);
        Ok(VgdBatch {
            inputs,
            scores: shaped(&scores, &[b, n]),
            mask: shaped(&mask, &[b, n]),
            deltas: shaped(&deltas, &[b, n, 4]),
            targets: phrases.iter().map(|p| p.targets.clone()).collect(),
            boxes: regions.iter().map(|r| r.boxes.clone()).collect(),
            sizes: regions.iter().map(|r| r.size).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::{FeatureWriter, RegionFeatures};

    use super::*;
    use crate::data::test_data::{lines, recipe};

    #[test]
    fn a_box_that_is_nowhere_in_its_image_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("f")).unwrap();
        let regions = |size| RegionFeatures { features: vec![0.0; 3], boxes: vec![[0.0, 0.0, 9.0, 9.0]], size };
        let mut writer = FeatureWriter::new(&path("f"), 3, "vision".to_owned());
        writer.write_shard(vec![("a".into(), regions((100, 50))), ("b".into(), regions((0, 0)))]).unwrap();
        writer.finish().unwrap();
        let sample = |image: &str, box_xyxy| PhraseSample { image: image.into(), phrase: "it".into(), box_xyxy };
        // They stick out, or the size is not known.
        let right = [
            sample("a", [-5.0, -5.0, 3.0, 3.0]),
            sample("a", [90.0, 40.0, 500.0, 500.0]),
            sample("b", [500.0, 500.0, 600.0, 600.0]),
        ];
        let load = |samples: &[PhraseSample], skip_broken| {
            let files = DataFiles { skip_broken, ..DataFiles::new(lines(&path("s.jsonl"), samples), path("f")) };
            VgdData::read(&files, &recipe(&[]), Device::Cpu).map_err(|e| e.to_string())
        };
        load(&right, false).unwrap();
        for wrong in [[100.0, 0.0, 120.0, 9.0], [0.0, 50.0, 9.0, 60.0], [-9.0, 0.0, -1.0, 9.0], [0.0, -9.0, 9.0, -1.0]]
        {
            let samples = [right.as_slice(), &[sample("a", wrong)]].concat();
            let error = load(&samples, false).unwrap_err();
            for part in ["s.jsonl", "line 4: box_xyxy", "100 × 50"] {
                assert!(error.contains(part), "{error}");
            }
            assert_eq!(load(&samples, true).unwrap().common().broken().count, 1);
        }
    }
}
