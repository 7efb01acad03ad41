use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::layers::{Dropout, Linear, MASKED, Mlp};

/// AttFlat: MLP(H → inner → 1) per position, softmax over the positions that are there, weighted sum, Linear(H → 2 H).
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

    /// `x` `[batch, n, H]` → `[batch, 2 H]`; `mask` `[batch, 1, 1, n]` is true where a position is padding.
    pub(crate) fn forward(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let mut scores = self.mlp.forward(x, dropout);
        if let Some(mask) = mask {
            scores = scores.masked_fill(&mask.view([x.size()[0], x.size()[1], 1]), MASKED);
        }
        let weights = scores.softmax(1, Kind::Float);
        self.merge.forward(&(weights * x).sum_dim_intlist(1, false, Kind::Float))
    }
}
