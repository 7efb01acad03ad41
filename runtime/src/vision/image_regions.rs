//! The regions of an image, which models share.

use std::path::PathBuf;
use std::sync::Arc;

use mmnas_bundle::RegionFeatures;

use crate::vision::shared::VisionIdentity;

/// The regions of an image with their features, before any network has read them.
///
/// Models whose vision stages are the same take them from one another, so that an image's pixels are looked at once for
/// all; they can be stored, and read again with [`Model::encode_regions`](crate::Model::encode_regions). Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct ImageRegions {
    regions: Arc<RegionFeatures>,
    source: RegionSource,
}

/// What made the features of regions.
#[derive(Debug, Clone)]
pub(crate) enum RegionSource {
    /// The vision stage of a loaded model.
    Seen(Arc<VisionIdentity>),
    /// A file had them ready, which may say of which vision stage they are.
    Ready { file: PathBuf, sha256: Option<String> },
}

impl ImageRegions {
    pub(crate) fn new(regions: RegionFeatures, source: RegionSource) -> ImageRegions {
        ImageRegions { regions: Arc::new(regions), source }
    }

    /// Features, f32 `[regions, D]` row-major, boxes in pixels of the image, and the image's size.
    pub fn features(&self) -> &RegionFeatures {
        &self.regions
    }

    /// Which vision stage gave them, as [`Model::vision_sha256`](crate::Model::vision_sha256).
    ///
    /// There is none where a file had them ready that does not say it.
    pub fn vision_sha256(&self) -> Option<&str> {
        match &self.source {
            RegionSource::Seen(vision) => Some(vision.sha256()),
            RegionSource::Ready { sha256, .. } => sha256.as_deref(),
        }
    }

    pub(crate) fn source(&self) -> &RegionSource {
        &self.source
    }
}
