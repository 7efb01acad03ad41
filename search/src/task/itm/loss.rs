//! The published loss of image-text matching, and the score of a pair.

use tch::{Kind, Reduction, Tensor};

/// `2 · positive + negative caption + negative image`, summed over the batch (published).
///
/// Each is the binary cross-entropy of the pairs' logits with 1 or 0. The published code takes it
/// of their sigmoids, which is the same.
pub fn loss(positive: &Tensor, negative_caption: &Tensor, negative_image: &Tensor) -> Tensor {
    let entropy = |logits: &Tensor, target: f64| {
        let target = logits.full_like(target);
        logits.binary_cross_entropy_with_logits::<Tensor>(&target, None, None, Reduction::Sum)
    };
    entropy(positive, 1.0) * 2.0 + entropy(negative_caption, 0.0) + entropy(negative_image, 0.0)
}

/// The published score of a pair, 0 to 1, from its logit.
pub fn score(logits: &Tensor) -> Tensor {
    logits.to_kind(Kind::Float).sigmoid()
}
