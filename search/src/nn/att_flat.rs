//! AttFlat: a sequence pooled by attention.

use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::nn::dropout::Dropout;
use crate::nn::layers::{Linear, MASKED, Mlp};

/// AttFlat: a sequence pooled by learned attention, `[batch, n, H]` → `[batch, 2 H]`.
///
/// MLP(H → inner → 1) per position, softmax over the positions that are not padding, weighted sum,
/// Linear(H → 2 H).
#[derive(Debug)]
pub(crate) struct AttFlat {
    mlp: Mlp,
    merge: Linear,
}

impl AttFlat {
    pub(crate) fn new(vs: nn::Path<'_>, d: &Dimensions) -> AttFlat {
        AttFlat {
            mlp: Mlp::new(&vs / "mlp", d.hidden, d.attflat, 1),
            merge: Linear::new(&vs / "linear_merge", d.hidden, 2 * d.hidden, true),
        }
    }

    /// Pools `x` `[batch, n, H]` → `[batch, 2 H]`.
    ///
    /// `mask` `[batch, 1, 1, n]` is true where a position is padding.
    pub(crate) fn forward(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.forward_with_weights(x, mask, dropout).0
    }

    /// Pools as [`AttFlat::forward`] and also gives the attention weights, `[batch, n, 1]`.
    pub(crate) fn forward_with_weights(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> (Tensor, Tensor) {
        let weights = self.weights(x, mask, dropout);
        (self.merge.forward(&(&weights * x).sum_dim_intlist(1, false, Kind::Float)), weights)
    }

    /// Attention weight of each position, `[batch, n, 1]`, of sum 1.
    fn weights(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let mut scores = self.mlp.forward(x, dropout);
        if let Some(mask) = mask {
            scores = scores.masked_fill_(&mask.view([x.size()[0], x.size()[1], 1]), MASKED);
        }
        scores.softmax(1, Kind::Float)
    }

    /// Attention weight of each position in evaluation, `[batch, n]`.
    pub(crate) fn attention(&self, x: &Tensor, mask: Option<&Tensor>) -> Tensor {
        self.weights(x, mask, Dropout(0.0)).squeeze_dim(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn};

    #[test]
    fn dropout_acts_in_its_hidden_layer() {
        let d = Dimensions {
            hidden: 64,
            feature: 1,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 32,
            head: 64,
            relation: 1,
            embeddings: None,
        };
        let store = nn::VarStore::new(Device::Cpu);
        let pool = AttFlat::new(store.root() / "attflat_x", &d);
        let x = Tensor::randn([2, 5, 64], (Kind::Float, Device::Cpu));
        let of = |rate: f64| pool.forward(&x, None, Dropout(rate));
        assert!(of(0.0).equal(&of(0.0)) && !of(0.5).equal(&of(0.0)) && !of(0.5).equal(&of(0.5)));
    }
}
