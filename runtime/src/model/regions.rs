//! From pixels to regions, which models with the same vision stage share.

use std::path::Path;
use std::sync::Arc;

use mmnas_bundle::manifest::MAX_REGIONS;
use mmnas_bundle::npz;

use crate::error::{Error, Result};
use crate::images::decode::{decode_bytes, decode_file};
use crate::model::Model;
use crate::model::state::ImageState;
use crate::vision::image_regions::{ImageRegions, RegionSource};
use crate::vision::pixels::PixelBuffer;
use crate::vision::runner::{Pixels, prepare};
use crate::vision::shared::ModelVision;

/// An image that was read.
pub(super) enum Decoded {
    /// As the vision stage reads it.
    Pixels(Pixels),
    /// Regions that a file had ready.
    Ready(ImageRegions),
}

impl Model {
    /// Finds the regions of an image file.
    ///
    /// They are for this model and for those that see as it does ([`Model::sees_as`]). It decodes the file as
    /// [`Model::encode_image_file`] and runs the vision stage. A file whose name ends in `.npz` holds ready features,
    /// which need no vision stage.
    ///
    /// # Errors
    /// As [`Model::encode_file`].
    pub fn regions_of_file(&self, file: &Path) -> Result<ImageRegions> {
        self.seen(self.decoded_file(file)?)
    }

    /// As [`Model::regions_of_file`], for a file that is an image whatever it is called.
    pub(super) fn regions_of_image_file(&self, file: &Path) -> Result<ImageRegions> {
        self.seen(self.decoded(|| decode_file(file))?)
    }

    /// As [`Model::regions_of_file`], for the content of an image file.
    ///
    /// # Errors
    /// As [`Model::encode_image_bytes`].
    pub fn regions_of_image_bytes(&self, encoded: &[u8]) -> Result<ImageRegions> {
        self.seen(self.decoded_bytes(encoded)?)
    }

    /// As [`Model::regions_of_file`], for pixels in memory.
    ///
    /// # Errors
    /// As [`Model::encode_pixel_buffer`].
    pub fn regions_of_pixel_buffer(&self, pixels: &PixelBuffer<'_>) -> Result<ImageRegions> {
        self.seen(self.decoded_pixels(pixels)?)
    }

    /// Encodes regions that this model or one that sees as it does has made.
    ///
    /// The image stage alone runs, and the state is that of [`Model::encode_file`].
    ///
    /// # Errors
    /// Regions of another vision stage; those of [`Model::encode_regions`].
    pub fn encode_image_regions(&self, regions: &ImageRegions) -> Result<ImageState> {
        self.check_regions(regions)?;
        self.encode_regions(regions.features())
    }

    /// An error where another vision stage made the regions.
    pub(super) fn check_regions(&self, regions: &ImageRegions) -> Result<()> {
        match regions.source() {
            RegionSource::Seen(found) => self.vision()?.identity.check(found),
            RegionSource::Ready { file, sha256: Some(sha256) } => self.check_features_of(sha256, file),
            // Nobody knows more than their width, which what encodes them looks at.
            RegionSource::Ready { sha256: None, .. } => Ok(()),
        }
    }

    pub(super) fn vision(&self) -> Result<&ModelVision> {
        self.loaded.vision.as_ref().ok_or_else(|| Error::NoVision { bundle: self.loaded.bundle.folder().to_path_buf() })
    }

    pub(super) fn decoded_file(&self, file: &Path) -> Result<Decoded> {
        if npz::is_called_npz(file) {
            self.watched.limits.check()?;
            let found = npz::read(file, MAX_REGIONS)?;
            if let Some(sha256) = &found.vision_sha256 {
                self.check_features_of(sha256, file)?;
            }
            let source = RegionSource::Ready { file: file.to_path_buf(), sha256: found.vision_sha256 };
            return Ok(Decoded::Ready(ImageRegions::new(found.regions, source)));
        }
        self.decoded(|| decode_file(file))
    }

    pub(super) fn decoded_bytes(&self, encoded: &[u8]) -> Result<Decoded> {
        self.decoded(|| decode_bytes(encoded))
    }

    pub(super) fn decoded_pixels(&self, pixels: &PixelBuffer<'_>) -> Result<Decoded> {
        self.decoded(|| pixels.to_rgb())
    }

    fn decoded(&self, read: impl FnOnce() -> Result<image::RgbImage>) -> Result<Decoded> {
        let vision = self.vision()?.runner.vision();
        self.watched.limits.check()?;
        Ok(Decoded::Pixels(prepare(read()?, vision)))
    }

    /// The regions of an image.
    pub(super) fn seen(&self, decoded: Decoded) -> Result<ImageRegions> {
        match decoded {
            Decoded::Ready(regions) => Ok(regions),
            Decoded::Pixels(pixels) => {
                let regions = self.seen_batch(&[pixels])?.pop();
                regions.ok_or_else(|| Error::argument("regions", "those of one image", "none"))
            }
        }
    }

    /// The regions of images, which run as one batch.
    pub(super) fn seen_batch(&self, batch: &[Pixels]) -> Result<Vec<ImageRegions>> {
        let vision = self.vision()?;
        let regions = vision.runner.regions(batch, &self.watched)?.into_iter();
        Ok(regions
            .map(|regions| ImageRegions::new(regions, RegionSource::Seen(Arc::clone(&vision.identity))))
            .collect())
    }
}
