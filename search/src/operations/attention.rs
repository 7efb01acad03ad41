//! Multi-head attention, which several operations share.

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::error::{Error, Result};
use crate::nn::dropout::Dropout;
use crate::nn::layers::{Linear, MASKED};
use crate::operations::Context;

/// Checks that the heads of the operation `name` fill their width.
pub(crate) fn check_heads(heads: Heads, name: &str, d: &Dimensions) -> Result<()> {
    if heads.of(d.hidden, d.head).is_some() {
        return Ok(());
    }
    let (factor, width) = (heads.factor, heads.width.unwrap_or(d.head));
    let product = if factor == 1 { "H".to_owned() } else { format!("{factor} H") };
    Err(Error::Operation {
        place: name.to_owned(),
        expected: format!("{product} to be a multiple of the head width {width}"),
        found: format!("H = {}", d.hidden),
    })
}

/// Multi-head attention: `softmax(q kᵀ / √d + bias) v`, merged; its projections have no bias.
///
/// Products are computed in the kind of the input, softmax in 32 bits. libtorch's
/// scaled_dot_product_attention is slower on the CPU with dropout or a bias.
#[derive(Debug)]
pub(crate) struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    merge: Linear,
    heads: i64,
    head: i64,
}

impl MultiHeadAttention {
    pub(crate) fn new(vs: &nn::Path<'_>, d: &Dimensions, heads: Heads) -> MultiHeadAttention {
        // A kind's check comes before: without it there are no heads.
        let (count, width) = heads.of(d.hidden, d.head).unwrap_or((0, 0));
        let inner = heads.inner(d.hidden);
        let inwards = |name: &str| Linear::new(vs / name, d.hidden, inner, false);
        MultiHeadAttention {
            value: inwards("linear_v"),
            key: inwards("linear_k"),
            query: inwards("linear_q"),
            merge: Linear::new(vs / "linear_merge", inner, d.hidden, false),
            heads: count as i64,
            head: width as i64,
        }
    }

    /// `[batch, n, heads · head width]` → `[batch, heads, n, head width]`.
    fn split(&self, x: &Tensor) -> Tensor {
        x.view([x.size()[0], -1, self.heads, self.head]).transpose(1, 2)
    }

    /// Keys and values of `y`, each `[batch, heads, m, head width]`.
    pub(crate) fn keys_values(&self, y: &Tensor) -> (Tensor, Tensor) {
        (self.split(&self.key.forward(y)), self.split(&self.value.forward(y)))
    }

    /// Attention of `x` over itself, in the precision of the pass.
    pub(crate) fn over_itself(&self, x: &Tensor, bias: Option<&Tensor>, context: &Context<'_>) -> Tensor {
        let x = context.precision.operand(x);
        let (keys, values) = self.keys_values(&x);
        self.forward(&x, (&keys, &values), bias, context.mask, context.dropout)
    }

    /// Attends with queries from `x` `[batch, n, H]`.
    ///
    /// `bias` `[batch, heads, n, m]` is added to the scores; `mask` is true where a key is padding.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        (keys, values): (&Tensor, &Tensor),
        bias: Option<&Tensor>,
        mask: Option<&Tensor>,
        dropout: Dropout,
    ) -> Tensor {
        let queries = self.split(&self.query.forward(x)) / (self.head as f64).sqrt();
        let mut scores = queries.matmul(&keys.transpose(-2, -1)).to_kind(Kind::Float);
        if let Some(bias) = bias {
            scores += bias;
        }
        if let Some(mask) = mask {
            scores = scores.masked_fill_(mask, MASKED);
        }
        let probabilities = dropout.apply(&scores.softmax(-1, Kind::Float));
        let attended = probabilities.to_kind(values.kind()).matmul(values);
        let size = x.size();
        self.merge.forward(&attended.transpose(1, 2).reshape([size[0], size[1], self.heads * self.head]))
    }
}
