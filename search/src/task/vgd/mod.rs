//! Visual grounding.

pub mod batch;
pub mod data;
pub mod head;
pub mod learnable;
pub mod loss;
pub mod metric;
pub mod vgd_task;
