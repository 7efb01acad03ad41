//! The operations that a block may be: one file each. Every operation ends in `LN(x + Dropout(op(x)))`.

mod attention;
mod feed_forward;
mod guided_attention;
mod relation_self_attention;
mod self_attention;

use mmnas_bundle::Operation;
use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

pub use crate::layers::Dropout;

/// What an operation may look at besides its input `x` `[batch, n, H]`.
#[derive(Debug)]
pub struct Context<'a> {
    /// True where a position of `x` is padding, `[batch, 1, 1, n]`; none where nothing is.
    pub mask: Option<&'a Tensor>,
    /// The encoded text, `[batch, tokens, H]`; none inside the encoder.
    pub text: Option<&'a Tensor>,
    /// True where a token is padding, `[batch, 1, 1, tokens]`.
    pub text_mask: Option<&'a Tensor>,
    /// Projected relations of the regions, `[batch, n, n, relation]`; none inside the encoder.
    pub relations: Option<&'a Tensor>,
    /// Dropout of this pass.
    pub dropout: Dropout,
}

/// A trained operation.
pub trait OperationModule: std::fmt::Debug + Send {
    /// `LN(x + Dropout(op(x)))`, `[batch, n, H]`.
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor;

    /// Keys and values over the encoded text, each `[batch, heads, tokens, head width]`: what the text stage of a bundle
    /// keeps. None for operations that do not look at text.
    fn text_keys_values(&self, _text: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }

    /// The bias that the relations add to the scores, `[batch, heads, n, n]`: what the image stage of a bundle keeps.
    /// None for operations that do not look at relations.
    fn relation_bias(&self, _relations: &Tensor) -> Option<Tensor> {
        None
    }
}

/// Makes the module of `operation` with its parameters under `vs`.
pub fn build(vs: &nn::Path<'_>, operation: Operation, dimensions: &Dimensions) -> Box<dyn OperationModule> {
    match operation {
        Operation::SelfAttention => Box::new(self_attention::SelfAttention::new(vs, dimensions)),
        Operation::RelationSelfAttention => {
            Box::new(relation_self_attention::RelationSelfAttention::new(vs, dimensions))
        }
        Operation::GuidedAttention => Box::new(guided_attention::GuidedAttention::new(vs, dimensions)),
        Operation::FeedForward => Box::new(feed_forward::FeedForward::new(vs, dimensions)),
    }
}
