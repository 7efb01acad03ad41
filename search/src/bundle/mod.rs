//! Export of a run or a checkpoint to a bundle.

pub mod check_networks;
pub mod export;
pub mod golden;
pub mod import;
pub mod probes;
pub mod vision;
