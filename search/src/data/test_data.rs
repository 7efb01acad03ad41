//! Small files for the tests of this folder.

use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{VqaSample, to_json_lines};
use mmnas_bundle::{FeatureWriter, RegionFeatures};

use crate::recipe::Recipe;

/// Regions whose features depend on the image's name.
pub(crate) fn regions(name: &str, count: usize, feature: usize) -> RegionFeatures {
    let start: f32 = name.bytes().map(f32::from).sum();
    RegionFeatures {
        features: (0..count * feature).map(|k| start + k as f32).collect(),
        boxes: (0..count).map(|k| [k as f32, 0.0, k as f32 + 10.0, 20.0]).collect(),
        size: (100, 50),
    }
}

/// Writes a folder of packed features: images and their numbers of regions.
pub(crate) fn features(folder: &Path, feature: usize, vision: &str, images: &[(&str, usize)]) {
    std::fs::create_dir(folder).unwrap();
    let mut writer = FeatureWriter::new(folder, feature, vision.to_owned());
    let images = images.iter().map(|(name, count)| ((*name).to_owned(), regions(name, *count, feature)));
    writer.write_shard(images.collect()).unwrap();
    writer.finish().unwrap();
}

/// Writes samples; returns the file.
pub(crate) fn lines<T: serde::Serialize>(file: &Path, samples: &[T]) -> PathBuf {
    std::fs::write(file, to_json_lines(samples).unwrap()).unwrap();
    file.to_path_buf()
}

/// A question whose answer is "yes".
pub(crate) fn question(image: &str, question: &str) -> VqaSample {
    VqaSample { image: image.into(), question: question.into(), answer: "yes".into(), ..VqaSample::default() }
}

/// The recipe of easy-VQA with these changes.
pub(crate) fn recipe(set: &[&str]) -> Recipe {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    Recipe::parse(include_str!("../../experiments/easy_vqa/easy_vqa.toml"), Path::new("easy_vqa.toml"), &set).unwrap()
}
