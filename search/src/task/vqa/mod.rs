//! Visual question answering.

pub mod batch;
pub mod data;
pub mod learnable;
pub mod vqa_task;
