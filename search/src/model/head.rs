//! The part of a network behind the last decoder block, and what it gives.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::nn::dropout::Dropout;

/// Makes a head, its parameters under the given place.
pub type HeadBuilder = fn(&nn::Path<'_>, &Dimensions) -> Box<dyn Head>;

/// Output of a network: what the loss and the metric of its task read.
#[derive(Debug)]
pub struct HeadOutput {
    /// Scores of the batch.
    ///
    /// `[batch, answers]` logits (VQA); `[batch, 1]` logits of pairs (ITM); `[batch, regions, 5]` a
    /// score and four deltas of each region (VGD).
    pub scores: Tensor,
    /// Embeddings of both modalities; none where the head has none.
    pub embeddings: Option<Embeddings>,
}

/// Embeddings of a batch's texts and images.
#[derive(Debug)]
pub struct Embeddings {
    /// Embeddings of the texts, `[batch, width]`.
    pub text: Tensor,
    /// Embeddings of the images, `[batch, width]` (ITM), or of their regions (VGD).
    ///
    /// Those of regions are `[batch, regions, width]`.
    pub image: Tensor,
    /// How the cosine of both counts in a pair's logit (ITM).
    pub logit: Option<CosineLogit>,
}

/// Parameters by which the cosine of two embeddings becomes a part of a logit.
///
/// They are shared with the network, so that nothing is computed until somebody asks.
#[derive(Debug)]
pub struct CosineLogit {
    scale: Tensor,
    weight: Tensor,
    bias: Tensor,
}

impl CosineLogit {
    /// Takes the factor of the cosine and the head's last layer.
    ///
    /// `scale` `[1]` is the factor of the cosine. `weight`, and `bias` `[1]`, are those of the
    /// head's last layer.
    pub fn new(scale: Tensor, weight: Tensor, bias: Tensor) -> CosineLogit {
        CosineLogit { scale, weight, bias }
    }

    /// Scale and bias of `scale · cosine + bias`, where this is the whole logit.
    ///
    /// It is, as long as the head's own weights are all zero. Then one pass per text or image
    /// ranks, in place of one per pair.
    pub fn alone(&self) -> Option<(f64, f64)> {
        let untrained = self.weight.abs().max().double_value(&[]) == 0.0;
        untrained.then(|| (self.scale.double_value(&[0]), self.bias.double_value(&[0])))
    }
}

/// The part of a network behind the last decoder block.
pub trait Head: std::fmt::Debug + Send {
    /// Pools the text, `[batch, 2 H]`.
    ///
    /// `x` `[batch, tokens, H]` is the last encoder block's output.
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// Weight of each word in the pooled text, `[batch, tokens]`.
    ///
    /// None where the head does not pool words by weights.
    fn text_attention(&self, _x: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// Weight of each region in the scores, `[batch, regions]`.
    ///
    /// None where the head pools no regions.
    fn region_attention(&self, _y: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// The head's own scores, without what embeddings add.
    ///
    /// They come from the pooled text and the last decoder block's output `y`
    /// `[batch, regions, H]`.
    fn scores(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// The part that embeds texts and images, where the head has one.
    fn embedding(&self) -> Option<&dyn EmbeddingHead> {
        None
    }

    /// Names of the parameters that no step changes.
    fn fixed_parameters(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Embeds texts and images apart from each other, beside a head's own scores.
pub trait EmbeddingHead: std::fmt::Debug + Send {
    /// The embeddings of a batch.
    fn embed(&self, inputs: &EmbeddingInputs<'_>, dropout: Dropout) -> Embeddings;

    /// What the embeddings add to the head's scores, of the same shape.
    fn score(&self, embeddings: &Embeddings) -> Tensor;

    /// Whether that score is part of [`HeadOutput::scores`].
    ///
    /// Otherwise the loss does not read it, and the task adds it where it measures. An exported
    /// network always has it.
    fn is_in_scores(&self) -> bool;
}

/// What embeddings are made of.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingInputs<'a> {
    /// Token ids, `[batch, tokens]`.
    pub tokens: &'a Tensor,
    /// True where tokens are padding, `[batch, 1, 1, tokens]`.
    pub text_mask: Option<&'a Tensor>,
    /// The pooled text, `[batch, 2 H]`.
    pub text: &'a Tensor,
    /// Corners of the regions, `[batch, regions, 4]`.
    pub boxes: &'a Tensor,
    /// Their standardised features, `[batch, regions, D]`.
    pub features: &'a Tensor,
    /// The regions before the first block that reads the text, `[batch, regions, H]`.
    pub regions: &'a Tensor,
    /// True where regions are padding, `[batch, 1, 1, regions]`.
    pub region_mask: Option<&'a Tensor>,
}
