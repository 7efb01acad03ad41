use std::sync::Arc;

use mmnas_bundle::RegionFeatures;

use crate::vision_shared::VisionIdentity;

/// The regions of an image with their features, before any network has read them. Models whose vision stages are the same take
/// them from one another, so that an image's pixels are looked at once for all; they can be stored, and read again with
/// [`Model::encode_regions`](crate::Model::encode_regions). Cheap to clone.
#[derive(Debug, Clone)]
pub struct ImageRegions {
    regions: Arc<RegionFeatures>,
    /// None where the features were ready.
    vision: Option<Arc<VisionIdentity>>,
}

impl ImageRegions {
    pub(crate) fn new(regions: RegionFeatures, vision: Option<Arc<VisionIdentity>>) -> ImageRegions {
        ImageRegions { regions: Arc::new(regions), vision }
    }

    /// Features, f32 `[regions, D]` row-major, boxes in pixels of the image, and the image's size.
    pub fn features(&self) -> &RegionFeatures {
        &self.regions
    }

    /// Which vision stage gave them, as [`Model::vision_sha256`](crate::Model::vision_sha256); none where they were read
    /// from a file of ready features.
    pub fn vision_sha256(&self) -> Option<&str> {
        self.vision.as_deref().map(VisionIdentity::sha256)
    }

    pub(crate) fn vision(&self) -> Option<&VisionIdentity> {
        self.vision.as_deref()
    }
}
