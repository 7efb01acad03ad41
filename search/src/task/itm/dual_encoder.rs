//! The dual encoder of image-text matching, an addition of ours beside the published head.
//!
//! It embeds texts and images apart, so one product of matrices ranks them all. The network need
//! only sort out the top: the cosine is a part of a pair's logit. It is trained with an in-batch
//! contrastive loss (InfoNCE: van den Oord et al., 2018). The loss runs both ways as in CLIP
//! (Radford et al., 2021).

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;
use tch::{Kind, Reduction, Tensor, nn};

use crate::error::Result;
use crate::model::head::{CosineLogit, EmbeddingHead, EmbeddingInputs, Embeddings};
use crate::model::network::Network;
use crate::nn::att_flat::AttFlat;
use crate::nn::dropout::Dropout;
use crate::nn::layers::{Linear, MASKED};
use crate::recipe::contrastive::ContrastiveSettings;
use crate::task::cca::linear_embedding::{LinearEmbedding, unit};

/// Embeddings of texts and images of length 1.
///
/// A text's is `Linear(AttFlat(x))`, whose AttFlat is the published head's; an image's is the same
/// of its regions. If the recipe asks for it, `Linear(Σ wᵢ fᵢ)` of the features fᵢ with AttFlat's
/// weights wᵢ is added to the image's. What an image shows does not all fit through H. A [linear
/// part](LinearEmbedding) stands before both, if the recipe has one.
#[derive(Debug)]
pub(crate) struct DualEncoder {
    text: Linear,
    pool: AttFlat,
    regions: Linear,
    features: Option<Linear>,
    linear: Option<LinearEmbedding>,
    scale: Tensor,
    /// Weight and bias of the head's last layer, shared with it.
    projection: (Tensor, Tensor),
}

/// Initial factor of the cosine in a pair's logit.
///
/// It is one learnt number for all pairs. True pairs begin some units above others.
const FIRST_SCALE: f64 = 10.0;
/// The cosine whose pairs have a logit of 0 at the start.
///
/// Once the embeddings have been trained for a while, true pairs lie above it and the hardest
/// others below.
const FIRST_EVEN: f64 = 0.45;

impl DualEncoder {
    /// Number that the head adds to every pair's logit at the start.
    pub(crate) const FIRST_BIAS: f64 = -FIRST_SCALE * FIRST_EVEN;

    /// A dual encoder of `width` numbers, those of the linear part among them.
    ///
    /// `features` says whether images are embedded by their features too; `projection` is the
    /// head's last layer.
    pub(crate) fn new(
        vs: &nn::Path<'_>,
        d: &Dimensions,
        (width, features, linear): (usize, bool, Option<usize>),
        projection: &Linear,
    ) -> DualEncoder {
        let own = width - linear.unwrap_or(0).min(width);
        DualEncoder {
            text: Linear::new(vs / param_names::EMBED_X, 2 * d.hidden, own, true),
            pool: AttFlat::new(vs / param_names::ATTFLAT_E, d),
            regions: Linear::new(vs / param_names::EMBED_Y, 2 * d.hidden, own, true),
            features: features.then(|| Linear::new(vs / param_names::EMBED_F, d.feature, own, true)),
            linear: linear.map(|width| LinearEmbedding::new(vs, d, width)),
            scale: vs.var(param_names::EMBED_SCALE, &[1], nn::Init::Const(FIRST_SCALE)),
            projection: projection.share(),
        }
    }

    /// Names of the parameters that no step changes.
    pub(crate) fn fixed_parameters(&self) -> &'static [&'static str] {
        self.linear.as_ref().map_or(&[], |_| LinearEmbedding::PARAMETERS)
    }
}

impl EmbeddingHead for DualEncoder {
    /// Embeds texts and images; the linear part, if there is one, comes first in both.
    fn embed(&self, inputs: &EmbeddingInputs<'_>, dropout: Dropout) -> Embeddings {
        let (pooled, weights) = self.pool.forward_with_weights(inputs.regions, inputs.region_mask, dropout);
        let mut image = self.regions.forward(&pooled);
        if let Some(layer) = &self.features {
            let mean = (weights * inputs.features).sum_dim_intlist(1, false, Kind::Float);
            image += layer.forward(&dropout.apply(&mean));
        }
        let (mut text, mut image) = (unit(&self.text.forward(inputs.text)), unit(&image));
        if let Some(linear) = &self.linear {
            let (of_text, of_image) = tch::no_grad(|| {
                let of_text = linear.text(inputs.tokens, inputs.text_mask);
                (of_text, linear.image(inputs.features, inputs.boxes, inputs.region_mask))
            });
            text = unit(&Tensor::cat(&[of_text, text], -1));
            image = unit(&Tensor::cat(&[of_image, image], -1));
        }
        let (weight, bias) = &self.projection;
        let logit = CosineLogit::new(self.scale.shallow_clone(), weight.shallow_clone(), bias.shallow_clone());
        Embeddings { text, image, logit: Some(logit) }
    }

    /// The cosine of each pair times the learnt scale, `[batch, 1]`.
    ///
    /// So the network need only learn what the embeddings do not say, and begins to rank where they
    /// end. The logit's loss does not reach the embeddings' own layers, only those that they share
    /// with the head. Hard negatives are what the embeddings take for true: they would pull them
    /// apart for all pairs.
    fn score(&self, embeddings: &Embeddings) -> Tensor {
        let (text, image) = (embeddings.text.detach(), embeddings.image.detach());
        (text * image).sum_dim_intlist(-1, true, Kind::Float) * &self.scale
    }

    fn is_in_scores(&self) -> bool {
        true
    }
}

/// Starts a new network without the cosine in its logit (`cosine_init = false`).
///
/// Scale and bias are 0 until they are learnt.
pub(crate) fn start_without_cosine(network: &Network) -> Result<()> {
    let _guard = tch::no_grad_guard();
    for name in [param_names::EMBED_SCALE.to_owned(), param_names::bias(param_names::PROJ)] {
        let _ = network.parameter(&name)?.zero_();
    }
    Ok(())
}

/// The numbers from `from` on of embeddings `[batch, width]`, of length 1 again.
///
/// They are the network's own part, behind a linear one of that width.
pub fn own_part(embeddings: &Tensor, from: usize) -> Tensor {
    if from == 0 {
        return embeddings.shallow_clone();
    }
    let width = embeddings.size()[1] - from as i64;
    unit(&embeddings.narrow(-1, from as i64, width))
}

/// The contrastive loss of true pairs, summed over the batch.
///
/// It is half the cross-entropy of every text's image among the batch's images, and half the other
/// way round. `texts` and `images` are `[batch, width]`. `also_true` `[batch, batch]` is true for a
/// text and another pair's image that belong together too; they do not count as wrong.
pub fn contrastive_loss(texts: &Tensor, images: &Tensor, also_true: &Tensor, settings: ContrastiveSettings) -> Tensor {
    let scores = (texts.matmul(&images.tr()) / settings.temperature).masked_fill(also_true, MASKED);
    let own = Tensor::arange(scores.size()[0], (Kind::Int64, scores.device()));
    let entropy = |scores: &Tensor| scores.cross_entropy_loss::<Tensor>(&own, None, Reduction::Sum, -100, 0.0);
    (entropy(&scores) + entropy(&scores.tr())) * (0.5 * settings.weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_the_formula() {
        let settings = ContrastiveSettings {
            width: 2,
            features: false,
            cosine_init: true,
            linear: None,
            weight: 3.0,
            temperature: 0.5,
        };
        let texts = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0], [0.6, 0.8]]);
        let images = Tensor::from_slice2(&[[0.8f32, 0.6], [0.0, 1.0], [1.0, 0.0]]);
        let mut also = [[false; 3]; 3];
        also[0][2] = true;
        let also_true = Tensor::from_slice(&also.concat()).view([3, 3]);
        let found = contrastive_loss(&texts, &images, &also_true, settings).double_value(&[]);
        let (t, v) = ([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8f64]], [[0.8, 0.6], [0.0, 1.0], [1.0, 0.0f64]]);
        let score = |i: usize, j: usize| {
            if also[i][j] { 0.0 } else { ((t[i][0] * v[j][0] + t[i][1] * v[j][1]) / 0.5).exp() }
        };
        let mut expected = 0.0;
        for i in 0..3 {
            let (row, column): (f64, f64) = (0..3).fold((0.0, 0.0), |(r, c), j| (r + score(i, j), c + score(j, i)));
            expected -= 0.5 * 3.0 * ((score(i, i) / row).ln() + (score(i, i) / column).ln());
        }
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}
