use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use super::Context;
use crate::dropout::Dropout;
use crate::layers::{Linear, MASKED};

/// Multi-head attention: `softmax(q kᵀ / √d + bias) v`, merged; no bias in any of its projections. Products are computed in
/// the kind of the input, softmax in 32 bits. (libtorch's scaled_dot_product_attention is slower on the CPU where there is
/// dropout or a bias.)
#[derive(Debug)]
pub(super) struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    merge: Linear,
    heads: i64,
    head: i64,
}

impl MultiHeadAttention {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> MultiHeadAttention {
        let linear = |name: &str| Linear::new(vs / name, d.hidden, d.hidden, false);
        MultiHeadAttention {
            value: linear("linear_v"),
            key: linear("linear_k"),
            query: linear("linear_q"),
            merge: linear("linear_merge"),
            heads: d.heads() as i64,
            head: d.head as i64,
        }
    }

    /// `[batch, n, H]` → `[batch, heads, n, head width]`.
    fn split(&self, x: &Tensor) -> Tensor {
        x.view([x.size()[0], -1, self.heads, self.head]).transpose(1, 2)
    }

    /// Keys and values of `y`, each `[batch, heads, m, head width]`.
    pub(super) fn keys_values(&self, y: &Tensor) -> (Tensor, Tensor) {
        (self.split(&self.key.forward(y)), self.split(&self.value.forward(y)))
    }

    /// Attention of `x` over itself, in the precision of the pass.
    pub(super) fn over_itself(&self, x: &Tensor, bias: Option<&Tensor>, context: &Context<'_>) -> Tensor {
        let x = context.precision.operand(x);
        let (keys, values) = self.keys_values(&x);
        self.forward(&x, (&keys, &values), bias, context.mask, context.dropout)
    }

    /// Queries from `x` `[batch, n, H]`; `bias` `[batch, heads, n, m]` is added to the scores; `mask` is true where a key
    /// is padding.
    pub(super) fn forward(
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
