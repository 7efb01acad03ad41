//! The part of a network behind the last decoder block, and what it gives.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::nn::dropout::Dropout;

/// Makes a head, its parameters under the given place.
pub type HeadBuilder = fn(&nn::Path<'_>, &Dimensions) -> Box<dyn Head>;

/// Output of a network: what the loss and the metric of its task read.
#[derive(Debug)]
pub struct HeadOutput {
    /// Scores: `[batch, answers]` logits (VQA), `[batch, 1]` logits of pairs (ITM), `[batch, regions, 5]` a score and four
    /// deltas of each region (VGD).
    pub scores: Tensor,
    /// Embeddings of both modalities; none where the head has none.
    pub embeddings: Option<Embeddings>,
}

/// Embeddings of a batch's texts and images.
#[derive(Debug)]
pub struct Embeddings {
    /// Of the texts, `[batch, width]`.
    pub text: Tensor,
    /// Of the images, `[batch, width]` (ITM), or of their regions, `[batch, regions, width]` (VGD).
    pub image: Tensor,
    /// What the cosine of both counts in a pair's logit (ITM).
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
    /// Of the factor of the cosine `[1]`, and of weight and bias `[1]` of the head's last layer.
    pub fn new(scale: Tensor, weight: Tensor, bias: Tensor) -> CosineLogit {
        CosineLogit { scale, weight, bias }
    }

    /// Scale and bias of `scale · cosine + bias`, where this is the whole logit.
    ///
    /// It is as long as the head's own weights are all zero. Then one pass a text or image ranks in place of one a pair.
    pub fn alone(&self) -> Option<(f64, f64)> {
        let untrained = self.weight.abs().max().double_value(&[]) == 0.0;
        untrained.then(|| (self.scale.double_value(&[0]), self.bias.double_value(&[0])))
    }
}

/// The part of a network behind the last decoder block.
pub trait Head: std::fmt::Debug + Send {
    /// The pooled text, `[batch, 2 H]`, from the last encoder block's output `x` `[batch, tokens, H]`.
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// How much each word counts in the pooled text, `[batch, tokens]`, where the head pools words by weights.
    fn text_attention(&self, _x: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// How much each region counts in the scores, `[batch, regions]`, where the head pools regions.
    fn region_attention(&self, _y: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// The head's own scores, without what embeddings add.
    ///
    /// They come from the pooled text and the last decoder block's output `y` `[batch, regions, H]`.
    fn scores(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// What the head embeds texts and images by, where it does.
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
    /// Otherwise the loss does not read it, and the task adds it where it measures. An exported network always has it.
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
