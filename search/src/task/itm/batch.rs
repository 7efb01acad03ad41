//! Tensors of some captions.

use tch::Tensor;

use crate::model::inputs::Inputs;

/// Samples of one batch.
#[derive(Debug)]
pub struct ItmBatch {
    /// Three pairs per sample, `[3 batch, …]`.
    ///
    /// First all true ones, then all with a negative caption, then all with a negative image. In an
    /// epoch without negatives it has the true ones alone, `[batch, …]`.
    pub inputs: Inputs,
    /// Whether a true pair's caption is true of another true pair's image, `[batch, batch]`.
    pub also_true: Tensor,
}
