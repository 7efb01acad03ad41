//! Image-text matching.

pub mod batch;
pub mod data;
pub mod dual_encoder;
pub mod embedding_space;
pub mod itm_task;
pub mod learnable;
pub mod loss;
pub mod mining;
pub mod negatives;
pub mod ranking;
pub mod recall;
