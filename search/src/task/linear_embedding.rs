//! The linear part of the joint embedding: an image is the mean of its regions' features, each region counting as much as it covers, a
//! text the sum of its words, each through one matrix. Both matrices come from a closed form (`data/linear_start.rs`), before the first
//! step, and no step changes them: on a few thousand images they rank better than what the network learns there, and its own
//! embedding beside them better than either.
//!
//! In grounding the same matrices stand for single regions (`data/region_start.rs`): the product of what a text and a region give
//! counts in the region's score.

use mmnas_bundle::boxes::LEAST_AREA;
use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::layers::Linear;

/// Whether `name` is a parameter of a linear part of a network that has one: no step changes it.
pub(crate) fn is_fixed(name: &str, d: &Dimensions) -> bool {
    const FIXED: [&str; 5] = ["embed_w.weight", "embed_w.bias", "embed_a.weight", "embed_a.bias", "embed_factor"];
    d.joint_linear.or(d.region_joint).is_some() && FIXED.contains(&name)
}

/// Matrices of words and of features.
#[derive(Debug)]
pub(super) struct LinearEmbedding {
    /// `[vocabulary, linear]`.
    words: Tensor,
    /// `[linear]`.
    words_bias: Tensor,
    features: Linear,
    /// What the linear part of a joint embedding counts beside the network's, which counts 1; in grounding what its scores are multiplied by.
    factor: Tensor,
}

/// Rows of length 1, or 0 where a row is 0.
pub(super) fn unit(x: &Tensor) -> Tensor {
    let x = x.to_kind(Kind::Float);
    &x / x.norm_scalaropt_dim(2, -1, true).clamp_min(1e-12)
}

/// What each region counts by the area that it covers, `[batch, regions, 1]`, from boxes `[batch, regions, 4]`: they add to 1.
fn shares(boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
    let sizes = (boxes.narrow(-1, 2, 2) - boxes.narrow(-1, 0, 2)).clamp_min(0.0);
    let areas = (sizes.narrow(-1, 0, 1) * sizes.narrow(-1, 1, 1)).clamp_min(f64::from(LEAST_AREA));
    let areas = match padding {
        Some(padding) => areas.masked_fill(&padding.view([boxes.size()[0], boxes.size()[1], 1]), 0.0),
        None => areas,
    };
    let sum = areas.sum_dim_intlist(1, true, Kind::Float);
    areas / sum
}

/// `Σ shareᵣ fᵣ`, `[batch, D]`, of features `[batch, regions, D]`.
pub(crate) fn mean_by_area(features: &Tensor, boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
    (features * shares(boxes, padding)).sum_dim_intlist(1, false, Kind::Float)
}

impl LinearEmbedding {
    /// Zeros: it says nothing until it is given matrices.
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions, width: usize) -> LinearEmbedding {
        let words = vs / "embed_w";
        let features = Linear::new(vs / "embed_a", d.feature, width, true);
        features.set_constant(0.0);
        LinearEmbedding {
            words: words.zeros("weight", &[d.vocabulary as i64, width as i64]),
            words_bias: words.zeros("bias", &[width as i64]),
            features,
            factor: vs.ones("embed_factor", &[1]),
        }
    }

    /// Embedding of texts from tokens `[batch, tokens]`, `[batch, linear]` of length 1 times the factor.
    pub(super) fn text(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.words(tokens, padding)) * &self.factor
    }

    /// The sum of the texts' words times the factor, `[batch, linear]`, from tokens `[batch, tokens]`.
    pub(super) fn scaled_words(&self, tokens: &Tensor, padding: Option<&Tensor>) -> Tensor {
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
    pub(super) fn regions(&self, features: &Tensor) -> Tensor {
        self.features.forward(features)
    }

    /// Embedding of images from standardised features `[batch, regions, D]` and boxes `[batch, regions, 4]`, as that of texts.
    pub(super) fn image(&self, features: &Tensor, boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
        unit(&self.features.forward(&mean_by_area(features, boxes, padding))) * &self.factor
    }
}
