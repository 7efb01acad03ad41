//! The joint embedding of texts and images, an addition of ours to the network for image-text matching: what it ranks in
//! one product of matrices, the network need only sort out at the top, to whose logit it adds. Trained with an in-batch contrastive loss (InfoNCE:
//! van den Oord et al., 2018; both ways as in CLIP: Radford et al., 2021).

use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Reduction, Tensor, nn};

use crate::error::Result;
use crate::model::head::EmbeddingInputs;
use crate::model::network::Network;
use crate::nn::att_flat::AttFlat;
use crate::nn::dropout::Dropout;
use crate::nn::layers::{Linear, MASKED};
use crate::recipe::contrastive::ContrastiveSettings;
use crate::task::cca::linear_embedding::{LinearEmbedding, unit};

/// `Linear(AttFlat(x))` of the text, whose AttFlat is the published head's, and of the regions, both of length 1. To the regions'
/// is added, where that is asked for, `Linear(Σ wᵢ fᵢ)` of their features fᵢ with AttFlat's weights wᵢ: what an image shows
/// does not all fit through H. A [linear part](LinearEmbedding) stands beside both, where that is asked for.
#[derive(Debug)]
pub(crate) struct DualEncoder {
    text: Linear,
    pool: AttFlat,
    regions: Linear,
    features: Option<Linear>,
    linear: Option<LinearEmbedding>,
    scale: Tensor,
}

/// Name of the number that a pair's cosine is multiplied by.
const SCALE: &str = "embed_scale";
/// What a cosine adds to a pair's logit at the start, a number for all pairs that is learnt: true pairs begin some units above
/// others.
const FIRST_SCALE: f64 = 10.0;
/// The cosine whose pairs have a logit of 0 at the start: true pairs lie above it and the hardest others below once the embedding
/// was trained for a while.
const FIRST_EVEN: f64 = 0.45;

impl DualEncoder {
    /// What the head is to add to every pair's logit at the start.
    pub(crate) const FIRST_BIAS: f64 = -FIRST_SCALE * FIRST_EVEN;

    /// Of so many numbers, those of the linear part among them.
    pub(crate) fn new(vs: &nn::Path<'_>, d: &Dimensions, width: usize) -> DualEncoder {
        let width = width - d.joint_linear.unwrap_or(0).min(width);
        DualEncoder {
            text: Linear::new(vs / "embed_x", 2 * d.hidden, width, true),
            pool: AttFlat::new(vs / "attflat_e", d),
            regions: Linear::new(vs / "embed_y", 2 * d.hidden, width, true),
            features: d.joint_features.then(|| Linear::new(vs / "embed_f", d.feature, width, true)),
            linear: d.joint_linear.map(|width| LinearEmbedding::new(vs, d, width)),
            scale: vs.var(SCALE, &[1], nn::Init::Const(FIRST_SCALE)),
        }
    }

    /// What the embeddings `[batch, joint]` add to the logit of each pair: their cosine times the learnt scale, `[batch, 1]`. So
    /// the network need only learn what the embeddings do not say, and begins to rank where they end. The logit's loss does not
    /// reach the embeddings' layers, only those that they share with the head: hard negatives are what the embeddings take for true, and would
    /// pull them apart for all pairs.
    pub(crate) fn score(&self, texts: &Tensor, images: &Tensor) -> Tensor {
        (texts.detach() * images.detach()).sum_dim_intlist(-1, true, Kind::Float) * &self.scale
    }

    /// What a cosine counts in a logit.
    pub(crate) fn scale(&self) -> f64 {
        self.scale.double_value(&[0])
    }

    /// Embeddings of texts and images; the linear part, where there is one, comes first.
    pub(crate) fn embed(&self, sides: &EmbeddingInputs<'_>, dropout: Dropout) -> (Tensor, Tensor) {
        let (pooled, weights) = self.pool.forward_with_weights(sides.regions, sides.region_mask, dropout);
        let mut image = self.regions.forward(&pooled);
        if let Some(layer) = &self.features {
            image += layer.forward(&dropout.apply(&(weights * sides.features).sum_dim_intlist(1, false, Kind::Float)));
        }
        let (text, image) = (unit(&self.text.forward(sides.text)), unit(&image));
        let Some(linear) = &self.linear else { return (text, image) };
        let (of_text, of_image) = tch::no_grad(|| {
            let of_text = linear.text(sides.tokens, sides.text_mask);
            (of_text, linear.image(sides.features, sides.boxes, sides.region_mask))
        });
        (unit(&Tensor::cat(&[of_text, text], -1)), unit(&Tensor::cat(&[of_image, image], -1)))
    }
}

/// Makes the logit of a new network the head's alone: the cosine counts nothing and no cosine is even, until both are learnt.
pub(crate) fn leave_logit(network: &Network) -> Result<()> {
    let _guard = tch::no_grad_guard();
    for name in [SCALE, "proj.bias"] {
        let _ = network.parameter(name)?.zero_();
    }
    Ok(())
}

/// The numbers from `from` on of embeddings `[batch, joint]`, of length 1 again: the network's own part behind a linear one of that width.
pub fn own_part(embeddings: &Tensor, from: usize) -> Tensor {
    if from == 0 {
        return embeddings.shallow_clone();
    }
    let width = embeddings.size()[1] - from as i64;
    unit(&embeddings.narrow(-1, from as i64, width))
}

/// The contrastive loss of true pairs: for every text the cross-entropy of its image among the batch's images, and the other
/// way round, half of each, summed over the batch. `texts` and `images` `[batch, joint]`; `also_true` `[batch, batch]` is true
/// for a text and another pair's image that belong together too, which do not count as wrong.
pub fn contrastive_loss(
    (texts, images): (&Tensor, &Tensor),
    also_true: &Tensor,
    settings: ContrastiveSettings,
) -> Tensor {
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
            head_alone: false,
            linear: None,
            weight: 3.0,
            temperature: 0.5,
        };
        let texts = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0], [0.6, 0.8]]);
        let images = Tensor::from_slice2(&[[0.8f32, 0.6], [0.0, 1.0], [1.0, 0.0]]);
        let mut also = [[false; 3]; 3];
        also[0][2] = true;
        let also_true = Tensor::from_slice(&also.concat()).view([3, 3]);
        let found = contrastive_loss((&texts, &images), &also_true, settings).double_value(&[]);
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
