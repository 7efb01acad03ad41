//! Whether region features are those that a network was trained on.

use std::path::Path;

use mmnas_bundle::FeatureStore;

use crate::error::{Error, Result};
use crate::model::Model;

impl Model {
    /// Checks that packed features are those that the network reads.
    ///
    /// They have its width and are of the vision stage whose features it reads, as far as that is known and
    /// [`LoadOptions::any_features`](crate::LoadOptions::any_features) does not allow all.
    ///
    /// # Errors
    /// Features of another width; [`Error::OtherFeatures`].
    pub fn check_features(&self, store: &FeatureStore) -> Result<()> {
        let width = self.manifest().dimensions.feature;
        if store.feature() != width {
            let expected = format!("{width} numbers a region, as the bundle reads");
            return Err(Error::invalid(store.folder(), "feature", expected, store.feature()));
        }
        self.check_features_of(store.vision_sha256(), store.folder())
    }

    /// As [`Model::check_features`], for features of a vision stage of this hash, which lie in `place`.
    pub(crate) fn check_features_of(&self, sha256: &str, place: &Path) -> Result<()> {
        let bundle = &self.loaded.bundle;
        match bundle.features_sha256()? {
            Some(expected) if expected != sha256 && !self.loaded.any_features => Err(Error::OtherFeatures {
                features: place.to_path_buf(),
                bundle: bundle.folder().to_path_buf(),
                expected,
                found: sha256.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
