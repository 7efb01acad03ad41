//! Linear embeddings of words and features, computed in closed form before the first step.
//!
//! An image is the mean of its regions' features, each region counting as much as it covers; a text is the sum of its
//! words; each goes through one matrix. Both matrices come from a canonical correlation analysis ([`crate::task::cca`]), and
//! no step changes them. On a few thousand images they rank better than what the network learns there, and the dual
//! encoder beside them better than either. In grounding the same matrices stand for single regions: the product of what a
//! text and a region give counts in the region's score.

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;
use tch::{Kind, Tensor, nn};

use crate::nn::by_area::mean_by_area;
use crate::nn::layers::Linear;

/// Matrices of words and of features.
#[derive(Debug)]
pub(crate) struct LinearEmbedding {
    /// `[vocabulary, linear]`.
    words: Tensor,
    /// `[linear]`.
    words_bias: Tensor,
    features: Linear,
    /// What this part counts beside the dual encoder's own, which counts 1; in grounding a factor of its scores.
    factor: Tensor,
}

/// Rows of length 1, or 0 where a row is 0.
pub(crate) fn unit(x: &Tensor) -> Tensor {
    let x = x.to_kind(Kind::Float);
    &x / x.norm_scalaropt_dim(2, -1, true).clamp_min(1e-12)
}

impl LinearEmbedding {
    /// Names of its parameters.
    pub(crate) const PARAMETERS: &'static [&'static str] =
        &["embed_w.weight", "embed_w.bias", "embed_a.weight", "embed_a.bias", param_names::EMBED_FACTOR];

    /// Zeros: it says nothing until it is given matrices.
    pub(crate) fn new(vs: &nn::Path<'_>, d: &Dimensions, width: usize) -> LinearEmbedding {
        let words = vs / param_names::EMBED_W;
        let features = Linear::new(vs / param_names::EMBED_A, d.feature, width, true);
        features.set_constant(0.0);
        LinearEmbedding {
            words: words.zeros("weight", &[d.vocabulary as i64, width as i64]),
            words_bias: words.zeros("bias", &[width as i64]),
            features,
            factor: vs.ones(param_names::EMBED_FACTOR, &[1]),
        }
    }

    /// Embedding of texts from tokens `[batch, tokens]`, `[batch, linear]` of length 1 times the factor.
    pub(crate) fn text(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.words(tokens, padding)) * &self.factor
    }

    /// The sum of the texts' words times the factor, `[batch, linear]`, from tokens `[batch, tokens]`.
    pub(crate) fn scaled_words(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
        self.words(tokens, padding) * &self.factor
    }

    fn words(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
        let words = Tensor::embedding(&self.words, tokens, -1, false, false);
        let words = match padding {
            Some(padding) => words.masked_fill(&padding.view([tokens.size()[0], tokens.size()[1], 1]), 0.0),
            None => words,
        };
        words.sum_dim_intlist(1, false, Kind::Float) + &self.words_bias
    }

    /// What each region gives, `[batch, regions, linear]`, from standardised features `[batch, regions, D]`.
    pub(crate) fn regions(&self, features: &Tensor) -> Tensor {
        self.features.forward(features)
    }

    /// Embedding of images from standardised features `[batch, regions, D]` and boxes `[batch, regions, 4]`, as that of texts.
    pub(crate) fn image(&self, features: &Tensor, boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.features.forward(&mean_by_area(features, boxes, padding))) * &self.factor
    }
}
