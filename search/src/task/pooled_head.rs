//! The head of VQA and ITM: pooled text and regions, fused.

use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions};
use mmnas_bundle::param_names;
use tch::{Tensor, nn};

use crate::model::head::{EmbeddingHead, Head};
use crate::nn::att_flat::AttFlat;
use crate::nn::dropout::Dropout;
use crate::nn::layers::{LayerNorm, Linear};
use crate::task::itm::dual_encoder::DualEncoder;

/// The published head of VQA and ITM: `Linear(LN(AttFlat(x) + AttFlat(y)))`, one number an output.
#[derive(Debug)]
pub(crate) struct PooledHead {
    text: AttFlat,
    regions: AttFlat,
    norm: LayerNorm,
    projection: Linear,
    dual_encoder: Option<DualEncoder>,
}

impl PooledHead {
    pub(crate) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> PooledHead {
        let text = AttFlat::new(vs / param_names::ATTFLAT_X, d);
        let regions = AttFlat::new(vs / param_names::ATTFLAT_Y, d);
        let norm = LayerNorm::new(vs / param_names::PROJ_NORM, 2 * d.hidden);
        let projection = Linear::new(vs / param_names::PROJ, 2 * d.hidden, d.outputs, true);
        let dual_encoder = match d.embeddings {
            Some(EmbeddingDimensions::DualEncoder { width, features, linear }) => {
                Some(DualEncoder::new(vs, d, (width, features, linear), &projection))
            }
            _ => None,
        };
        if dual_encoder.is_some() {
            // A pair's logit is that of its embeddings alone: what an untrained network says of it
            // would be noise.
            projection.set_constant(DualEncoder::FIRST_BIAS);
        }
        PooledHead { text, regions, norm, projection, dual_encoder }
    }
}

impl Head for PooledHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.text.forward(x, mask, dropout)
    }

    fn text_attention(&self, x: &Tensor, mask: Option<&Tensor>) -> Option<Tensor> {
        Some(self.text.attention(x, mask))
    }

    fn region_attention(&self, y: &Tensor, mask: Option<&Tensor>) -> Option<Tensor> {
        Some(self.regions.attention(y, mask))
    }

    fn embedding(&self) -> Option<&dyn EmbeddingHead> {
        self.dual_encoder.as_ref().map(|encoder| encoder as &dyn EmbeddingHead)
    }

    fn fixed_parameters(&self) -> &'static [&'static str] {
        self.dual_encoder.as_ref().map_or(&[], DualEncoder::fixed_parameters)
    }

    fn scores(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let pooled = text + self.regions.forward(y, mask, dropout);
        self.projection.forward(&self.norm.forward(&pooled))
    }
}
