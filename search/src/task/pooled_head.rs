//! The head of VQA and ITM: pooled text and regions, fused.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::model::head::{EmbeddingInputs, Head};
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
    joint: Option<DualEncoder>,
}

impl PooledHead {
    pub(crate) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> PooledHead {
        let head = PooledHead {
            text: AttFlat::new(vs / "attflat_x", d),
            regions: AttFlat::new(vs / "attflat_y", d),
            norm: LayerNorm::new(vs / "proj_norm", 2 * d.hidden),
            projection: Linear::new(vs / "proj", 2 * d.hidden, d.outputs, true),
            joint: d.joint.map(|width| DualEncoder::new(vs, d, width)),
        };
        if head.joint.is_some() {
            // A pair's logit is that of its embeddings alone: what an untrained network says of it would be noise.
            head.projection.set_constant(DualEncoder::FIRST_BIAS);
        }
        head
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

    fn embed(&self, sides: &EmbeddingInputs<'_>, dropout: Dropout) -> Option<(Tensor, Tensor)> {
        self.joint.as_ref().map(|joint| joint.embed(sides, dropout))
    }

    fn joint_score(&self, texts: &Tensor, images: &Tensor) -> Option<Tensor> {
        self.joint.as_ref().map(|joint| joint.score(texts, images))
    }

    fn cosine_alone(&self) -> Option<(f64, f64)> {
        Some((self.joint.as_ref()?.scale(), self.projection.constant()?))
    }

    fn output(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let pooled = text + self.regions.forward(y, mask, dropout);
        self.projection.forward(&self.norm.forward(&pooled))
    }
}
