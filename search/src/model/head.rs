//! The part of a network behind the last decoder block.

use mmnas_bundle::manifest::Dimensions;
use tch::Tensor;
use tch::nn;

use crate::nn::dropout::Dropout;

/// Makes a head, its parameters under the given place.
pub type HeadBuilder = fn(&nn::Path<'_>, &Dimensions) -> Box<dyn Head>;

/// The part of a network behind the last decoder block.
pub trait Head: std::fmt::Debug + Send {
    /// The pooled text, `[batch, 2 H]`, from the last encoder block's output `x` `[batch, tokens, H]`.
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// How much each word counts in the pooled text, `[batch, tokens]`, where the head pools words by weights.
    fn text_attention(&self, _x: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// How much each region counts in the output, `[batch, regions]`, where the head pools regions.
    fn region_attention(&self, _y: &Tensor, _mask: Option<&Tensor>) -> Option<Tensor> {
        None
    }

    /// The joint embeddings of texts and images, each `[batch, joint]` of length 1, or the linear ones of texts `[batch, region_joint]` and of
    /// regions `[batch, regions, region_joint]`, where the network has either.
    fn embed(&self, _sides: &EmbeddingInputs<'_>, _dropout: Dropout) -> Option<(Tensor, Tensor)> {
        None
    }

    /// What the embeddings of [`Head::embed`] add to the output, of its shape.
    fn joint_score(&self, _texts: &Tensor, _images: &Tensor) -> Option<Tensor> {
        None
    }

    /// What a network with such embeddings gives for the loss and the metric to read: if a head has nothing else in mind, the output with
    /// [`Head::joint_score`], and the embeddings beside it.
    fn beside(&self, output: Tensor, texts: &Tensor, images: &Tensor) -> Tensor {
        let output = match self.joint_score(texts, images) {
            Some(score) => output + score,
            None => output,
        };
        Tensor::cat(&[&output, texts, images], -1)
    }

    /// Scale and bias, where a pair's logit is `scale · cosine + bias` of its embeddings as long as nothing else was trained.
    fn cosine_alone(&self) -> Option<(f64, f64)> {
        None
    }

    /// The task's output from the pooled text and the last decoder block's output `y` `[batch, regions, H]`, without what
    /// [`Head::joint_score`] adds.
    fn output(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;
}

/// What joint embeddings are made of.
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
