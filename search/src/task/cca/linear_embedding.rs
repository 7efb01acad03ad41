//! Linear embeddings of words and features, computed in closed form before the first step.
//!
//! An image is the mean of its regions' features, each region counting as much as it covers. A text
//! is the sum of its words. Each goes through one matrix. Both matrices come from a canonical
//! correlation analysis ([`crate::task::cca`]), and no step changes them. On a few thousand images
//! they rank better than what the network learns there. The dual encoder beside them ranks better
//! than either. In grounding the same matrices stand for single regions. The product of a text's
//! and a region's embedding counts in the region's score.

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;
use tch::{Kind, Tensor, nn};

use crate::nn::by_area::mean_by_area;
use crate::nn::layers::Linear;

/// Matrices of words and of features.
#[derive(Debug)]
pub(crate) struct LinearEmbedding {
    /// Matrix of the words, `[vocabulary, linear]`.
    words: Tensor,
    /// Bias of the words, `[linear]`.
    words_bias: Tensor,
    features: Linear,
    /// Factor of this part.
    ///
    /// The dual encoder's own part counts 1; in grounding it is a factor of the scores.
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

    /// Makes zeros: they embed nothing until they are given matrices.
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

    /// Embeds texts, `[batch, linear]` of length 1 times the factor.
    ///
    /// `tokens` are `[batch, tokens]`.
    pub(crate) fn text(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.words(tokens, padding)) * &self.factor
    }

    /// The sum of the texts' words times the factor, `[batch, linear]`.
    ///
    /// `tokens` are `[batch, tokens]`.
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

    /// Embeds each region, `[batch, regions, linear]`.
    ///
    /// `features` are standardised, `[batch, regions, D]`.
    pub(crate) fn regions(&self, features: &Tensor) -> Tensor {
        self.features.forward(features)
    }

    /// Embeds images as [`LinearEmbedding::text`] does texts, `[batch, linear]`.
    ///
    /// `features` are standardised, `[batch, regions, D]`; `boxes` are `[batch, regions, 4]`.
    pub(crate) fn image(&self, features: &Tensor, boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.features.forward(&mean_by_area(features, boxes, padding))) * &self.factor
    }
}
