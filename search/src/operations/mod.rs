//! The operations that a block may be: a file a family. A [`Pool`](pool::Pool) holds their kinds and takes new ones; every operation
//! with parameters ends in `LN(x + Dropout(op(x)))`, a [`ResidualNorm`](residual_norm::ResidualNorm).

pub mod attention;
pub mod convolution;
pub mod feed_forward;
#[cfg(test)]
mod formula_tests;
pub mod gated_linear;
pub mod guided_attention;
pub mod kind;
pub mod pool;
pub mod relation_self_attention;
pub mod residual_norm;
pub mod self_attention;
#[cfg(test)]
mod tests;
pub mod uniimg_attention;
pub mod without_parameters;

use tch::Tensor;

use crate::nn::dropout::Dropout;
use crate::nn::relation::Projection;
use crate::precision::MatmulPrecision;

/// What an operation may look at besides its input `x` `[batch, n, H]`.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// True where a position of `x` is padding, `[batch, 1, 1, n]`; none where nothing is.
    pub mask: Option<&'a Tensor>,
    /// The encoded text, `[batch, tokens, H]`; none inside the encoder.
    pub text: Option<&'a Tensor>,
    /// True where a token is padding, `[batch, 1, 1, tokens]`.
    pub text_mask: Option<&'a Tensor>,
    /// What the regions' relations add to this operation's scores, `[batch, heads, n, n]`; none where the operation has no
    /// [`OperationModule::relation_projection`], and inside the encoder.
    pub relation_bias: Option<&'a Tensor>,
    /// Dropout of this pass.
    pub dropout: Dropout,
    /// What the operation's matrix products are computed in.
    pub precision: MatmulPrecision,
}

impl<'a> Context<'a> {
    /// Of an operation that looks at nothing but `x`.
    pub fn new(mask: Option<&'a Tensor>, dropout: Dropout, precision: MatmulPrecision) -> Context<'a> {
        Context { mask, text: None, text_mask: None, relation_bias: None, dropout, precision }
    }
}

/// A trained operation.
pub trait OperationModule: std::fmt::Debug + Send {
    /// What a block makes of `x` `[batch, n, H]`, of the same shape: `LN(x + Dropout(op(x)))`. At positions that are not
    /// padding it must not depend on padding.
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor;

    /// Keys and values over the encoded text, each `[batch, heads, tokens, head width]`: what the text stage of a bundle
    /// keeps. None for operations that do not look at text.
    fn text_keys_values(&self, _text: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }

    /// The layer from projected relations to one number a head, `[heads, relation]` and `[heads]`: a network computes the
    /// biases of all its operations at once ([`crate::nn::relation::biases`]) and gives each its own
    /// ([`Context::relation_bias`]). None for operations that do not look at relations.
    fn relation_projection(&self) -> Option<Projection<'_>> {
        None
    }
}
