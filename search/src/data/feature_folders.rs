//! Packed features in one or more folders, whose images samples name.

use std::path::PathBuf;
use std::sync::OnceLock;

use mmnas_bundle::samples::{Flaw, image_name};
use mmnas_bundle::{Error as BundleError, FeatureStore, ImageNames, RegionFeatures};

use crate::error::Result;

/// The open folders, which agree in the kind of their features.
#[derive(Debug)]
pub(crate) struct FeatureFolders {
    stores: Vec<FeatureStore>,
    /// The images of all folders one after the other, and the folder of each.
    ///
    /// They are collected when a sample first names an image by another name than the folder's.
    names: OnceLock<(ImageNames, Vec<usize>)>,
}

/// An image that has features.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FoundImage {
    /// Which of the folders holds it.
    pub folder: usize,
    /// Its own name there.
    pub name: String,
}

impl FeatureFolders {
    /// Opens the folders, which must agree.
    pub(crate) fn open(folders: &[PathBuf]) -> Result<FeatureFolders> {
        let stores =
            folders.iter().map(|folder| FeatureStore::open(folder)).collect::<mmnas_bundle::Result<Vec<_>>>()?;
        let none = || BundleError::invalid("features", "(folders)", "at least one folder of features", "none");
        let first = stores.first().ok_or_else(none)?;
        for (store, folder) in stores.iter().zip(folders) {
            let differs = |field: &str, expected: String, found: String| {
                let expected = format!("{expected}, as in {}", folders[0].display());
                Err(BundleError::invalid(folder.join("features.json"), field, expected, found).into())
            };
            if store.feature() != first.feature() {
                return differs("feature", first.feature().to_string(), store.feature().to_string());
            }
            if store.vision_sha256() != first.vision_sha256() {
                return differs("vision_sha256", first.vision_sha256().to_owned(), store.vision_sha256().to_owned());
            }
        }
        Ok(FeatureFolders { stores, names: OnceLock::new() })
    }

    /// D, width of a region's features.
    pub(crate) fn feature(&self) -> usize {
        self.stores.first().map_or(0, FeatureStore::feature)
    }

    /// SHA-256 of the vision graph that gave the features.
    pub(crate) fn vision_sha256(&self) -> &str {
        self.stores.first().map_or("", FeatureStore::vision_sha256)
    }

    /// Finds the image that a sample calls `name`.
    ///
    /// The rule is that of [`mmnas_bundle::image_names`] over all folders. The error is what is
    /// wrong with the name.
    pub(crate) fn find(&self, name: &str) -> std::result::Result<FoundImage, Flaw> {
        let flaw = |expected, found: String| Err(Flaw { field: "image", expected, found });
        // Not by the names of all images, which few data sets need and which take memory.
        let exact = |(folder, store): (usize, &FeatureStore)| store.size(name).map(|_| folder);
        let mut exact = self.stores.iter().enumerate().filter_map(exact);
        match (exact.next(), exact.next()) {
            (Some(folder), None) => return Ok(FoundImage { folder, name: name.to_owned() }),
            (Some(_), Some(_)) => return flaw("an image whose features are in one folder only", name.to_owned()),
            (None, _) => {}
        }
        let normalised = image_name(name);
        let (names, owners) = self.names.get_or_init(|| self.all_names());
        match names.find(&normalised, "features".as_ref()) {
            Ok(Some(at)) => Ok(FoundImage { folder: owners[at], name: names.name(at).to_owned() }),
            Ok(None) => flaw("an image whose features are there", name.to_owned()),
            Err(BundleError::Invalid { found, .. }) => {
                flaw("the name of one image", format!("{name}, which may be {found}"))
            }
            Err(other) => flaw("the name of one image", other.to_string()),
        }
    }

    fn all_names(&self) -> (ImageNames, Vec<usize>) {
        let (mut names, mut owners) = (Vec::new(), Vec::new());
        for (folder, store) in self.stores.iter().enumerate() {
            names.extend(store.names().into_iter().map(str::to_owned));
            owners.resize(names.len(), folder);
        }
        (ImageNames::new(names), owners)
    }

    /// Width and height of an image in pixels; none if unknown.
    pub(crate) fn size(&self, image: &FoundImage) -> Option<(u32, u32)> {
        self.stores[image.folder].size(&image.name).filter(|size| size.0 > 0 && size.1 > 0)
    }

    /// The regions of an image.
    pub(crate) fn regions(&self, image: &FoundImage) -> Result<RegionFeatures> {
        Ok(self.stores[image.folder].get(&image.name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_data::features;

    #[test]
    fn the_images_of_all_folders_are_found_by_one_rule() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let (train, val) = ("COCO_train2014_000000000009.jpg", "COCO_val2014_000000000042.jpg");
        features(&at("a"), 3, "v", &[(train, 1), ("1.png", 1), ("both.png", 1), ("cat_7.jpg", 1)]);
        features(&at("b"), 3, "v", &[(val, 2), ("1.jpg", 1), ("both.png", 1), ("dog_7.jpg", 1)]);
        let folders = FeatureFolders::open(&[at("a"), at("b")]).unwrap();
        for (name, folder, own) in
            [("9", 0, train), ("42", 1, val), ("1.png", 0, "1.png"), ("1.jpg", 1, "1.jpg"), ("dog_7", 1, "dog_7.jpg")]
        {
            let found = folders.find(name).unwrap();
            assert_eq!(found, FoundImage { folder, name: own.to_owned() }, "{name}");
            assert_eq!(folders.regions(&found).unwrap().boxes.len(), if name == "42" { 2 } else { 1 });
        }
        for (name, found) in [
            ("both.png", "both.png"),
            ("1", "1, which may be \"1.jpg\", \"1.png\""),
            ("7", "7, which may be \"cat_7.jpg\", \"dog_7.jpg\""),
            ("bird", "bird"),
        ] {
            assert_eq!(folders.find(name).unwrap_err().found, found);
        }
    }
}
