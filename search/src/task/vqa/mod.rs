//! Visual question answering.

pub mod batch;
pub mod data;
pub mod learnable;
pub mod loss;
pub(crate) mod metric;
pub mod vqa_task;
