//! Loss of grounding: which region a phrase means, and how its box is moved.

use tch::{Kind, Reduction, Tensor};

use crate::nn::layers::MASKED;
use crate::recipe::score_padding::ScorePadding;

/// Weight of the deltas' loss beside the scores'.
const DELTA_WEIGHT: f64 = 0.5;

/// Log-probabilities of the regions, `[batch, regions]`.
///
/// `scores` are scores and deltas, `[batch, regions, 5]`.
pub fn log_probabilities(scores: &Tensor, region_count: &[i64], padding: ScorePadding) -> Tensor {
    let scores = scores.select(-1, 0);
    let n = scores.size()[1];
    if padding == ScorePadding::Published || region_count.iter().all(|&count| count >= n) {
        return scores.log_softmax(-1, Kind::Float);
    }
    let counts = Tensor::from_slice(region_count).to_device(scores.device()).view([-1, 1]);
    let absent = Tensor::arange(n, (Kind::Int64, scores.device())).unsqueeze(0).ge_tensor(&counts);
    scores.masked_fill(&absent, MASKED).log_softmax(-1, Kind::Float)
}

/// KL divergence of the scores plus half the smooth L1 of the deltas (published).
///
/// `log_probabilities` are `[batch, regions]`, `deltas` `[batch, regions, 4]`. The divergence is to
/// the target `scores`, over the number of samples that have a target. The smooth L1 is over the
/// number of regions that count, 1 in `mask`. Without any such sample or region the part is 0.
pub fn loss(log_probabilities: &Tensor, deltas: &Tensor, scores: &Tensor, mask: &Tensor, target: &Tensor) -> Tensor {
    let has_target = scores.sum_dim_intlist(-1, true, Kind::Float).gt(0.0).to_kind(Kind::Float);
    let divergence = scores.xlogy(scores) - scores * log_probabilities;
    let divergence = (divergence * &has_target).sum(Kind::Float) / has_target.sum(Kind::Float).clamp_min(1.0);
    let moved = deltas.smooth_l1_loss(target, Reduction::None, 1.0) * mask.unsqueeze(-1);
    divergence + moved.sum(Kind::Float) / mask.sum(Kind::Float).clamp_min(1.0) * DELTA_WEIGHT
}
