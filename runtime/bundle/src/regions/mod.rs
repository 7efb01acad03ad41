//! Region features of images, packed or as published tools write them.

mod feature_shard;
pub(crate) mod feature_writer;
pub(crate) mod features;
pub mod image_names;
pub mod npz;
pub(crate) mod published_regions;
pub(crate) mod region_features;
