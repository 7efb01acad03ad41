//! Export of a run or a checkpoint to a bundle.

pub mod export;
pub mod golden;
pub mod import;
pub mod probes;
pub mod vision;
