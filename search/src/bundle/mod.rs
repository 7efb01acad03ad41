//! Export of a run or a checkpoint to a bundle.

pub mod check_networks;
pub mod encoder;
pub mod export;
pub mod golden;
pub mod import;
pub mod probes;
mod region_features;
pub mod vision;
