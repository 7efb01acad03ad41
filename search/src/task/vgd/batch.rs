//! Tensors of some phrases.

use mmnas_bundle::boxes::BoxXyxy;
use tch::Tensor;

use crate::model::inputs::Inputs;

/// Samples of one batch.
#[derive(Debug)]
pub struct VgdBatch {
    /// Inputs of the network.
    pub inputs: Inputs,
    /// Target scores, `[batch, regions]`.
    ///
    /// They are the IoU of the regions with IoU ≥ 0.5, scaled to sum 1; zeros where no region has
    /// it.
    pub scores: Tensor,
    /// 1 for the regions whose deltas count, `[batch, regions]`.
    pub mask: Tensor,
    /// Target deltas, `[batch, regions, 4]`.
    ///
    /// They are divided by [`DELTA_SCALE`](mmnas_bundle::boxes::DELTA_SCALE).
    pub deltas: Tensor,
    /// The boxes that the phrases mean, any of which is right, at least one each.
    pub targets: Vec<Vec<BoxXyxy>>,
    /// The regions' boxes of each sample.
    pub boxes: Vec<Vec<BoxXyxy>>,
    /// Width and height of each sample's image.
    pub sizes: Vec<(u32, u32)>,
}
