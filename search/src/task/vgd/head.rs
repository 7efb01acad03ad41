//! The head of grounding, and the linear part of its scores.

use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions};
use mmnas_bundle::param_names;
use tch::{Tensor, nn};

use crate::model::head::{EmbeddingHead, EmbeddingInputs, Embeddings, Head, HeadOutput};
use crate::nn::att_flat::AttFlat;
use crate::nn::dropout::Dropout;
use crate::nn::layers::{LayerNorm, Linear};
use crate::task::cca::linear_embedding::LinearEmbedding;

/// The published head: `LN(AttFlat(x) + Linear(H → 2H)(y_i))` per region.
///
/// From it come a score and four deltas of each region, `[batch, regions, 5]`, the score before any
/// softmax. Linear embeddings of texts and of regions may stand beside it, whose products are
/// scores too.
#[derive(Debug)]
pub struct VgdHead {
    text: AttFlat,
    region: Linear,
    norm: LayerNorm,
    scores: Linear,
    deltas: Linear,
    linear: Option<LinearScores>,
}

impl VgdHead {
    /// A head with its parameters under `vs`.
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> VgdHead {
        VgdHead {
            text: AttFlat::new(vs / param_names::ATTFLAT_X, d),
            region: Linear::new(vs / param_names::ATTFC_Y, d.hidden, 2 * d.hidden, true),
            norm: LayerNorm::new(vs / param_names::PROJ_NORM, 2 * d.hidden),
            scores: Linear::new(vs / param_names::PROJ_SCORES, 2 * d.hidden, 1, true),
            deltas: Linear::new(vs / param_names::PROJ_REG, 2 * d.hidden, 4, true),
            linear: match d.embeddings {
                Some(EmbeddingDimensions::Regions { width }) => Some(LinearScores(LinearEmbedding::new(vs, d, width))),
                _ => None,
            },
        }
    }
}

impl Head for VgdHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.text.forward(x, mask, dropout)
    }

    fn text_attention(&self, x: &Tensor, mask: Option<&Tensor>) -> Option<Tensor> {
        Some(self.text.attention(x, mask))
    }

    fn scores(&self, text: &Tensor, y: &Tensor, _mask: Option<&Tensor>, _dropout: Dropout) -> Tensor {
        let fused = self.norm.forward(&(text.unsqueeze(1) + self.region.forward(y)));
        Tensor::cat(&[self.scores.forward(&fused), self.deltas.forward(&fused)], -1)
    }

    fn embedding(&self) -> Option<&dyn EmbeddingHead> {
        self.linear.as_ref().map(|linear| linear as &dyn EmbeddingHead)
    }

    fn fixed_parameters(&self) -> &'static [&'static str] {
        self.linear.as_ref().map_or(&[], |_| LinearEmbedding::PARAMETERS)
    }
}

/// The linear part of the scores.
///
/// It knows the phrases that its matrices come from too well to say what the network still has to
/// learn of them. So training does not read it; validation and everything after it does.
#[derive(Debug)]
struct LinearScores(LinearEmbedding);

impl EmbeddingHead for LinearScores {
    fn embed(&self, inputs: &EmbeddingInputs<'_>, _dropout: Dropout) -> Embeddings {
        tch::no_grad(|| Embeddings {
            text: self.0.scaled_words(inputs.tokens, inputs.text_mask),
            image: self.0.regions(inputs.features),
            logit: None,
        })
    }

    /// The product of text and region as the score, no deltas, `[batch, regions, 5]`.
    fn score(&self, embeddings: &Embeddings) -> Tensor {
        linear_scores(embeddings).constant_pad_nd([0, 4])
    }

    fn is_in_scores(&self) -> bool {
        false
    }
}

/// The linear part of each region's score, `[batch, regions, 1]`.
fn linear_scores(embeddings: &Embeddings) -> Tensor {
    embeddings.image.matmul(&embeddings.text.unsqueeze(-1))
}

/// Scores and deltas, `[batch, regions, 5]`, with the linear part, if the network has one.
pub fn with_linear_scores(output: &HeadOutput) -> Tensor {
    let Some(embeddings) = &output.embeddings else { return output.scores.shallow_clone() };
    let scores = output.scores.narrow(-1, 0, 1) + linear_scores(embeddings);
    Tensor::cat(&[scores, output.scores.narrow(-1, 1, 4)], -1)
}
