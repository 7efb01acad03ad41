//! From pixels to the features of regions.

pub(crate) mod detector;
pub(crate) mod extract;
mod found_regions;
pub(crate) mod image_regions;
pub(crate) mod pixels;
pub(crate) mod region_check;
pub(crate) mod runner;
pub(crate) mod shared;
pub(crate) mod unfinished_shard;
pub(crate) mod vision_stage;
