//! Losses of visual question answering.

use tch::{Kind, Reduction, Tensor};

/// Binary cross-entropy of `logits` `[batch, answers]` with soft targets (published).
///
/// Summed over answers and batch.
pub fn loss(logits: &Tensor, target: &Tensor) -> Tensor {
    logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Sum)
}

/// Cross-entropy of the softmax of `logits` `[batch, answers]`, summed over the batch.
///
/// Targets count as shares of their sum; samples without a target count nothing. It is an addition
/// of ours: see [`AnswerScores::Softmax`](mmnas_bundle::manifest::AnswerScores::Softmax).
pub fn softmax_loss(logits: &Tensor, target: &Tensor) -> Tensor {
    let target = target / target.sum_dim_intlist(-1, true, Kind::Float).clamp_min(1e-6);
    -(target * logits.log_softmax(-1, Kind::Float)).sum(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_softmax_loss_is_the_formula() {
        let logits = Tensor::from_slice2(&[[0.0f32, 3f32.ln(), 0.0], [5.0, -2.0, 1.0], [1.0, 2.0, 3.0]]);
        let target = Tensor::from_slice2(&[[0.0f32, 1.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.9]]);
        let last = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln();
        let expected = (5f64 / 3.0).ln() + 0.25 * (last - 1.0) + 0.75 * (last - 3.0);
        assert!((softmax_loss(&logits, &target).double_value(&[]) - expected).abs() < 1e-5);
    }
}
