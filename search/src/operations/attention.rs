//! Multi-head attention, which several operations share.

use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::error::{Error, Result};
use crate::nn::dropout::Dropout;
use crate::nn::layers::{Linear, MASKED};
use crate::operations::Context;

/// How attention is divided into heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Width of a head; none takes the network's ([`Dimensions::head`]).
    width: Option<usize>,
    /// Width of all heads together, in H.
    factor: usize,
}

impl Heads {
    /// Heads of the network's width, together H.
    pub(crate) const OF_NETWORK: Heads = Heads { width: None, factor: 1 };

    /// Heads of the given width, together `factor` · H.
    pub(crate) const fn of_width(width: usize, factor: usize) -> Heads {
        Heads { width: Some(width), factor }
    }

    fn width(self, d: &Dimensions) -> usize {
        self.width.unwrap_or(d.head)
    }

    fn inner(self, d: &Dimensions) -> usize {
        self.factor * d.hidden
    }

    /// Number of heads.
    pub(crate) fn count(self, d: &Dimensions) -> usize {
        self.inner(d) / self.width(d).max(1)
    }

    /// Whether the heads of the operation `name` fill their width.
    pub(crate) fn check(self, name: &str, d: &Dimensions) -> Result<()> {
        let (inner, width) = (self.inner(d), self.width(d));
        if inner > 0 && width > 0 && inner.is_multiple_of(width) {
            return Ok(());
        }
        let product = if self.factor == 1 { "H".to_owned() } else { format!("{} H", self.factor) };
        Err(Error::Operation {
            place: name.to_owned(),
            expected: format!("{product} to be a multiple of the head width {width}"),
            found: format!("H = {}", d.hidden),
        })
    }
}

/// Multi-head attention: `softmax(q kᵀ / √d + bias) v`, merged; no bias in any of its projections. Products are computed in
/// the kind of the input, softmax in 32 bits. (libtorch's scaled_dot_product_attention is slower on the CPU where there is
/// dropout or a bias.)
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
        let inner = heads.inner(d);
        let inwards = |name: &str| Linear::new(vs / name, d.hidden, inner, false);
        MultiHeadAttention {
            value: inwards("linear_v"),
            key: inwards("linear_k"),
            query: inwards("linear_q"),
            merge: Linear::new(vs / "linear_merge", inner, d.hidden, false),
            heads: heads.count(d) as i64,
            head: heads.width(d) as i64,
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

    /// Queries from `x` `[batch, n, H]`; `bias` `[batch, heads, n, m]` is added to the scores; `mask` is true where a key
    /// is padding.
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
