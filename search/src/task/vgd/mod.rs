//! Visual grounding.

pub mod batch;
pub mod data;
pub mod learnable;
pub mod vgd_task;
