use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::Head;
use crate::att_flat::AttFlat;
use crate::layers::{LayerNorm, Linear};
use crate::operations::Dropout;

/// The published head of VQA and ITM: `Linear(LN(AttFlat(x) + AttFlat(y)))`, one number an output.
#[derive(Debug)]
pub(super) struct PooledHead {
    text: AttFlat,
    regions: AttFlat,
    norm: LayerNorm,
    projection: Linear,
}

impl PooledHead {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> PooledHead {
        PooledHead {
            text: AttFlat::new(vs / "attflat_x", d),
            regions: AttFlat::new(vs / "attflat_y", d),
            norm: LayerNorm::new(vs / "proj_norm", 2 * d.hidden),
            projection: Linear::new(vs / "proj", 2 * d.hidden, d.outputs, true),
        }
    }
}

impl Head for PooledHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.text.forward(x, mask, dropout)
    }

    fn output(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let pooled = text + self.regions.forward(y, mask, dropout);
        self.projection.forward(&self.norm.forward(&pooled))
    }
}
