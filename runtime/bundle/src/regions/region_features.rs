//! The regions of one image.

use crate::boxes::BoxXyxy;

/// Regions of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionFeatures {
    /// `[regions, D]` row-major.
    pub features: Vec<f32>,
    /// One box a region, in pixels of the original image.
    pub boxes: Vec<BoxXyxy>,
    /// Width and height of the original image in pixels.
    pub size: (u32, u32),
}
