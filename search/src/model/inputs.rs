//! What a network reads.

use tch::{Device, Kind, Tensor};

/// What a network reads.
///
/// Positions from a count on are padding: they change no result.
#[derive(Debug)]
pub struct Inputs {
    /// Token ids, i64 `[batch, tokens]`.
    pub tokens: Tensor,
    /// Region features, f32 `[batch, regions, D]`.
    pub features: Tensor,
    /// Corners of the regions in pixels, f32 `[batch, regions, 4]`.
    pub boxes: Tensor,
    /// Tokens of each sample, at least 1.
    pub token_count: Vec<i64>,
    /// Regions of each sample, at least 1.
    pub region_count: Vec<i64>,
}

/// True from each row's count on, `[batch, 1, 1, n]`.
///
/// None where every row is full.
fn padding_mask(counts: &[i64], n: i64, device: Device) -> Option<Tensor> {
    if counts.iter().all(|&c| c >= n) {
        return None;
    }
    let counts = Tensor::from_slice(counts).to_device(device).view([-1, 1]);
    let mask = Tensor::arange(n, (Kind::Int64, device)).unsqueeze(0).ge_tensor(&counts);
    Some(mask.view([-1, 1, 1, n]))
}

impl Inputs {
    /// True where tokens are padding, `[batch, 1, 1, tokens]`; none where there is no padding.
    pub(crate) fn text_mask(&self) -> Option<Tensor> {
        padding_mask(&self.token_count, self.tokens.size()[1], self.tokens.device())
    }

    /// True where regions are padding, `[batch, 1, 1, regions]`; none where there is no padding.
    pub(crate) fn region_mask(&self) -> Option<Tensor> {
        padding_mask(&self.region_count, self.features.size()[1], self.features.device())
    }
}
