//! Tensors of some questions.

use tch::Tensor;

use crate::model::inputs::Inputs;

/// Samples of one batch.
#[derive(Debug)]
pub struct VqaBatch {
    /// What the network reads.
    pub inputs: Inputs,
    /// Soft targets, `[batch, answers]`, 0 to 1.
    pub target: Tensor,
}
