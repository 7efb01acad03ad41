//! Tensors of some phrases.

use mmnas_bundle::boxes::BoxXyxy;
use tch::Tensor;

use crate::model::inputs::Inputs;

/// Samples of one batch.
#[derive(Debug)]
pub struct VgdBatch {
    /// What the network reads.
    pub inputs: Inputs,
    /// Target scores, `[batch, regions]`: IoU of the regions with IoU ≥ 0.5, scaled to sum 1; zeros where there is none.
    pub scores: Tensor,
    /// 1 for the regions whose deltas count, `[batch, regions]`.
    pub mask: Tensor,
    /// Target deltas divided by [`DELTA_SCALE`](mmnas_bundle::boxes::DELTA_SCALE), `[batch, regions, 4]`.
    pub deltas: Tensor,
    /// The boxes that the phrases mean, any of which is right, at least one each.
    pub targets: Vec<Vec<BoxXyxy>>,
    /// The regions' boxes of each sample.
    pub boxes: Vec<Vec<BoxXyxy>>,
    /// Width and height of each sample's image.
    pub sizes: Vec<(u32, u32)>,
}
