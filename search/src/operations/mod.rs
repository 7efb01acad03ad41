//! The operations that a block may be, one file a family.
//!
//! A [`Pool`](pool::Pool) holds their kinds and takes new ones. Every operation with parameters
//! ends in `LN(x + Dropout(op(x)))`, a [`ResidualNorm`](residual_norm::ResidualNorm).

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

/// Inputs of an operation besides `x` `[batch, n, H]`.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// True where a position of `x` is padding, `[batch, 1, 1, n]`.
    ///
    /// None if nothing is padding.
    pub mask: Option<&'a Tensor>,
    /// The encoded text, `[batch, tokens, H]`; none inside the encoder.
    pub text: Option<&'a Tensor>,
    /// True where a token is padding, `[batch, 1, 1, tokens]`.
    pub text_mask: Option<&'a Tensor>,
    /// Bias that the regions' relations add to this operation's scores, `[batch, heads, n, n]`.
    ///
    /// None inside the encoder, and if the operation has no
    /// [`OperationModule::relation_projection`].
    pub relation_bias: Option<&'a Tensor>,
    /// Dropout of this pass.
    pub dropout: Dropout,
    /// Number format of the operation's matrix products.
    pub precision: MatmulPrecision,
}

impl<'a> Context<'a> {
    /// Context of an operation that looks at nothing but `x`.
    pub fn new(mask: Option<&'a Tensor>, dropout: Dropout, precision: MatmulPrecision) -> Context<'a> {
        Context { mask, text: None, text_mask: None, relation_bias: None, dropout, precision }
    }
}

/// An operation with its parameters.
pub trait OperationModule: std::fmt::Debug + Send {
    /// Output of a block for `x` `[batch, n, H]`, of the same shape.
    ///
    /// It is `LN(x + Dropout(op(x)))`. At positions that are not padding it must not depend on
    /// padding.
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor;

    /// Keys and values over the encoded text, each `[batch, heads, tokens, head width]`.
    ///
    /// The text stage of a bundle keeps them. None for operations that do not look at text.
    fn text_keys_values(&self, _text: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }

    /// Layer from projected relations to one number a head, `[heads, relation]` and `[heads]`.
    ///
    /// A network computes the biases of all its operations at once
    /// ([`crate::nn::relation::biases`]). It gives each operation its own
    /// ([`Context::relation_bias`]). None for operations that do not look at relations.
    fn relation_projection(&self) -> Option<Projection<'_>> {
        None
    }
}
