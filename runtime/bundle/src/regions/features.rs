//! Region features of many images on disk: written by `mmnas extract`, read by training.
//!
//! A folder of shards (safetensors: `features` f32 `[sum of regions, D]`, `boxes` f32 `[sum of regions, 4]`,
//! `offsets` i64 `[images + 1]`, `sizes` i64 `[images, 2]` width and height) and `features.json`, which appears last.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{inside, read_text};
use crate::manifest::format::{Format, MAJOR};
use crate::manifest::limits::check_size;
use crate::regions::feature_shard::OpenShard;
use crate::regions::image_names::ImageNames;
use crate::regions::region_features::RegionFeatures;
use crate::samples::image_name::image_name;

/// File name of the index.
pub(super) const INDEX: &str = "features.json";
/// The format name of the index.
pub(super) const FORMAT: &str = "mmnas-features";
/// Most bytes of an index.
pub(super) const MAX_INDEX_BYTES: u64 = 1 << 30;

/// `features.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureIndex {
    /// Format name and version.
    pub format: Format,
    /// D, width of a region's features.
    pub feature: usize,
    /// SHA-256 of the vision graph that gave them.
    pub vision_sha256: String,
    /// The shards in order.
    pub shards: Vec<FeatureShard>,
}

/// One shard of a [`FeatureIndex`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureShard {
    /// File name.
    pub file: String,
    /// Images in the order of the shard's rows.
    pub images: Vec<String>,
}

/// Reads the features of images by name, from any number of threads.
///
/// Only boxes and offsets are held in memory; features are read from the files (that is, from the system's cache) when
/// asked for. Images are found by what samples call them: see [`image_names`](crate::image_names).
pub struct FeatureStore {
    folder: PathBuf,
    feature: usize,
    vision_sha256: String,
    shards: Vec<OpenShard>,
    places: HashMap<String, (usize, usize)>,
    /// Made when the first image is asked for by another name than its own.
    image_names: OnceLock<ImageNames>,
}

impl std::fmt::Debug for FeatureStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeatureStore")
            .field("folder", &self.folder)
            .field("images", &self.places.len())
            .finish_non_exhaustive()
    }
}

impl FeatureStore {
    /// Opens a folder that `mmnas extract` wrote.
    ///
    /// # Errors
    /// An index or a shard that cannot be read, is damaged or of a later major version.
    pub fn open(folder: &Path) -> Result<FeatureStore> {
        let file = folder.join(INDEX);
        let index: FeatureIndex =
            serde_json::from_str(&read_text(&file, MAX_INDEX_BYTES)?).map_err(|e| Error::json(&file, &e))?;
        if index.format.name != FORMAT || index.format.major > MAJOR {
            let found = format!("{} {}.{}", index.format.name, index.format.major, index.format.minor);
            return Err(Error::invalid(&file, "format", format!("{FORMAT} 1.x"), found));
        }
        check_size(&file, "feature", index.feature)?;
        let mut store = FeatureStore {
            folder: folder.to_path_buf(),
            feature: index.feature,
            vision_sha256: index.vision_sha256,
            shards: Vec::with_capacity(index.shards.len()),
            places: HashMap::new(),
            image_names: OnceLock::new(),
        };
        for (number, shard) in index.shards.into_iter().enumerate() {
            let opened =
                OpenShard::open(&inside(folder, &shard.file, &file, "shards")?, index.feature, shard.images.len())?;
            store.shards.push(opened);
            for (row, name) in shard.images.into_iter().enumerate() {
                if let Some((before, _)) = store.places.get(&name) {
                    let found = format!("{name:?} in the shards {before} and {number}");
                    return Err(Error::invalid(&file, "shards", "every image once", found));
                }
                store.places.insert(name, (number, row));
            }
        }
        Ok(store)
    }

    /// The folder that was opened.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// D, width of a region's features.
    pub fn feature(&self) -> usize {
        self.feature
    }

    /// SHA-256 of the vision graph that gave the features.
    ///
    /// For features from elsewhere it is what stands in for it.
    pub fn vision_sha256(&self) -> &str {
        &self.vision_sha256
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The images' names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.places.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The own name of the image that a sample calls `name`.
    ///
    /// None where it is not there.
    ///
    /// # Errors
    /// A name that fits several images equally well.
    pub fn find(&self, name: &str) -> Result<Option<&str>> {
        if let Some((name, _)) = self.places.get_key_value(name) {
            return Ok(Some(name));
        }
        let names = self.image_names.get_or_init(|| ImageNames::new(self.names().into_iter().map(str::to_owned)));
        Ok(names.find(&image_name(name), &self.folder.join(INDEX))?.map(|place| names.name(place)))
    }

    /// Width and height in pixels of the image whose own name is `name`.
    ///
    /// None if it is not there; a side of 0 is not known.
    pub fn size(&self, name: &str) -> Option<(u32, u32)> {
        self.places.get(name).map(|&(shard, row)| self.shards[shard].size(row))
    }

    /// The regions of the image that a sample calls `name`.
    ///
    /// # Errors
    /// An image that is not there, or a name that fits several; a number that is not finite: a loss of one such image would be no
    /// number, and not tell of which.
    pub fn get(&self, name: &str) -> Result<RegionFeatures> {
        let missing =
            || Error::invalid(self.folder.join(INDEX), "shards", format!("features of the image {name:?}"), "none");
        let name = self.find(name)?.ok_or_else(missing)?;
        let &(shard, row) = self.places.get(name).ok_or_else(missing)?;
        self.shards[shard].read(name, row, self.feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::feature_writer::FeatureWriter;

    fn image(regions: usize, start: f32) -> RegionFeatures {
        RegionFeatures {
            features: (0..regions * 3).map(|k| start + k as f32).collect(),
            boxes: (0..regions).map(|k| [k as f32, 0.0, 9.0, 9.0]).collect(),
            size: (20, 10),
        }
    }

    #[test]
    fn images_with_different_numbers_of_regions_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        writer.write_shard(vec![("a".into(), image(2, 0.0)), ("b".into(), image(5, 100.0))]).unwrap();
        writer.write_shard(vec![("c".into(), image(1, 7.0))]).unwrap();
        writer.finish().unwrap();
        let store = FeatureStore::open(folder.path()).unwrap();
        assert_eq!(store.len(), 3);
        for (name, expected) in [("a", image(2, 0.0)), ("b", image(5, 100.0)), ("c", image(1, 7.0))] {
            assert_eq!(store.get(name).unwrap(), expected);
        }
        assert!(store.get("d").unwrap_err().to_string().contains("\"d\""));
    }

    #[test]
    fn images_are_found_by_what_samples_call_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        let names = ["val2014/COCO_val2014_000000000009.jpg", "cat_1.jpg", "dog_1.jpg"];
        let images = names.iter().zip(1..).map(|(name, n)| ((*name).to_owned(), image(n, 0.0)));
        writer.write_shard(images.collect()).unwrap();
        writer.finish().unwrap();
        let store = FeatureStore::open(folder.path()).unwrap();
        assert_eq!(store.find("9").unwrap(), Some(names[0]));
        assert_eq!(store.get("9").unwrap(), store.get(names[0]).unwrap());
        assert_eq!(store.get("dog_1").unwrap(), image(3, 0.0));
        assert_eq!(store.find("bird_1.jpg").unwrap(), None);
        let error = store.get("1").unwrap_err().to_string();
        assert!(error.contains("features.json: image: expected one image that \"1\" means"), "{error}");
        assert!(error.contains("\"cat_1.jpg\", \"dog_1.jpg\""), "{error}");
    }

    #[test]
    fn an_image_that_is_there_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        writer.write_shard(vec![("a".into(), image(2, 0.0)), ("b".into(), image(5, 100.0))]).unwrap();
        writer.write_shard(vec![("b".into(), image(1, 7.0))]).unwrap();
        writer.finish().unwrap();
        let error = FeatureStore::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("every image once") && error.contains("\"b\" in the shards 0 and 1"), "{error}");
    }

    #[test]
    fn numbers_that_are_not_finite_are_errors_that_name_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        let (mut of_feature, mut of_box) = (image(2, 0.0), image(2, 0.0));
        of_feature.features[4] = f32::NAN;
        of_box.boxes[1][2] = f32::INFINITY;
        let images = [("a", of_feature), ("b", image(1, 0.0)), ("c", of_box)];
        writer.write_shard(images.map(|(name, regions)| (name.to_owned(), regions)).to_vec()).unwrap();
        writer.finish().unwrap();
        let store = FeatureStore::open(folder.path()).unwrap();
        assert!(store.get("b").is_ok());
        for (name, found) in
            [("a", "features of \"a\": expected finite numbers, found NaN for region 1"), ("c", "boxes of \"c\"")]
        {
            let error = store.get(name).unwrap_err().to_string();
            assert!(error.contains("features-00000.safetensors") && error.contains(found), "{error}");
        }
    }

    /// Replaces a number of the shard's header and opens the folder.
    ///
    /// The other number has the same length.
    fn open_with(from: &str, to: &str) -> Result<FeatureStore> {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        writer.write_shard(vec![("a".into(), image(2, 0.0)), ("b".into(), image(5, 100.0))]).unwrap();
        writer.finish().unwrap();
        let shard = folder.path().join("features-00000.safetensors");
        let content = std::fs::read(&shard).unwrap();
        let header = String::from_utf8_lossy(&content[8..]).into_owned();
        let at = 8 + header.find(from).unwrap_or_else(|| panic!("{from}: {header}"));
        let changed = [&content[..at], to.as_bytes(), &content[at + from.len()..]].concat();
        std::fs::write(&shard, changed).unwrap();
        FeatureStore::open(folder.path())
    }

    #[test]
    fn a_header_that_does_not_fit_is_an_error_before_anything_is_allocated() {
        // As written: offsets [3] at 0..24, sizes [2, 2] at 24..56, boxes [7, 4] at 56..168, features [7, 3] at 168..252.
        assert!(open_with("[7,4]", "[7,4]").is_ok());
        for (from, to) in
            [("[7,4]", "[9,4]"), ("[7,3]", "[7,9]"), ("[3]", "[2]"), ("[24,56]", "[56,24]"), ("[168,252]", "[168,952]")]
        {
            assert!(open_with(from, to).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn a_cut_shard_is_an_error_at_opening() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = FeatureWriter::new(folder.path(), 3, "ab".into());
        writer.write_shard(vec![("a".into(), image(2, 0.0))]).unwrap();
        writer.finish().unwrap();
        let shard = folder.path().join("features-00000.safetensors");
        let content = std::fs::read(&shard).unwrap();
        for keep in [0, 7, 20, content.len() - 1] {
            std::fs::write(&shard, &content[..keep]).unwrap();
            assert!(FeatureStore::open(folder.path()).is_err(), "{keep}");
        }
    }
}
