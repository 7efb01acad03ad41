//! `[contrastive]`: the embedding that image-text matching is trained with.

use serde::Deserialize;
use serde::Serialize;

use crate::recipe::regions::Ridges;
use crate::recipe::wrong::Wrong;

/// The joint embedding of image-text matching, which a shortlist is drawn from: an addition of ours, trained beside the
/// published loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastiveSettings {
    /// Width of the network's own embedding, at most 4096.
    pub width: usize,
    /// Whether the image's embedding reads the features of the regions too, by a linear layer of its own, beside the regions'
    /// states of width H: D · `width` more parameters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub features: bool,
    /// Whether a pair's logit is the head's alone at first. Otherwise it begins as ten times the embedding's cosine less 4.5, which ranks where
    /// pairs are few and the head learns late, and which a head that has learnt from many pairs must outweigh. Weights of another run bring what
    /// they have learnt. Not together with `negatives.from_epoch`, whose first epochs train no head.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head_alone: bool,
    /// The linear part beside what the network embeds; none: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<LinearSettings>,
    /// What the contrastive loss counts beside the published one.
    pub weight: f64,
    /// What the cosines are divided by before the softmax, 0.001 to 10.
    pub temperature: f64,
}

impl ContrastiveSettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("contrastive.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err(("contrastive.weight", "a number above 0", self.weight.to_string()));
        }
        if !(1e-3..=10.0).contains(&self.temperature) {
            return Err(("contrastive.temperature", "0.001 to 10", self.temperature.to_string()));
        }
        self.linear.map_or(Ok(()), LinearSettings::check)
    }
}

/// The linear part of the joint embedding: an image is the mean of its regions' features by area, a text the sum of its words, each through
/// one matrix. Both matrices are those of a canonical correlation analysis of the training pairs with ridges, which takes seconds; no
/// step changes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearSettings {
    /// Directions that are kept, at most 4096: width of this part.
    pub width: usize,
    /// What this part's cosine counts, from above 0 to below 1; the network's own counts the rest.
    pub share: f64,
    /// What is added to the variance of each feature, in units of the mean variance.
    pub image_ridge: f64,
    /// What is added to the variance of each word, in units of the mean variance.
    pub text_ridge: f64,
}

impl LinearSettings {
    pub(crate) fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("contrastive.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(("contrastive.linear.share", "above 0 and below 1", self.share.to_string()));
        }
        let ridges = Ridges { image_ridge: self.image_ridge, text_ridge: self.text_ridge };
        ridges.check(["contrastive.linear.image_ridge", "contrastive.linear.text_ridge"])
    }
}
