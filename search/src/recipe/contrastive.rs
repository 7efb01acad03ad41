//! `[itm.contrastive]`: the dual encoder of image-text matching.

use serde::{Deserialize, Serialize};

use crate::recipe::ridges::Ridges;
use crate::recipe::wrong::Wrong;

/// The dual encoder of image-text matching, an addition of ours.
///
/// It embeds texts and images apart; shortlists are drawn from it. It is trained beside the
/// published loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastiveSettings {
    /// Width of the network's own embeddings, 1 to 4096.
    pub width: usize,
    /// Whether the image's embedding reads the features of the regions too.
    ///
    /// They go through a linear layer of their own, beside the regions' states of width H. That
    /// adds D · `width` parameters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub features: bool,
    /// Whether a pair's logit starts as 10 · cosine − 4.5 (default true).
    ///
    /// The model then ranks from the first step. Turn it off when captions are plentiful: a head
    /// that learns from many pairs must outweigh the cosine first. Off, a logit is the head's alone
    /// at first, and `negatives.from_epoch` must be 0: earlier epochs would train no head. Weights
    /// of another run bring what they have learnt.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub cosine_init: bool,
    /// The linear part beside what the network embeds; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<LinearSettings>,
    /// Weight of the contrastive loss beside the published one, above 0.
    pub weight: f64,
    /// Divisor of the cosines before the softmax, 0.001 to 10.
    pub temperature: f64,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl ContrastiveSettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("itm.contrastive.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err(("itm.contrastive.weight", "a number above 0", self.weight.to_string()));
        }
        if !(1e-3..=10.0).contains(&self.temperature) {
            return Err(("itm.contrastive.temperature", "0.001 to 10", self.temperature.to_string()));
        }
        self.linear.map_or(Ok(()), LinearSettings::check)
    }
}

/// The linear part of the dual encoder.
///
/// An image is the mean of its regions' features by area, a text the sum of its words. Each goes
/// through one matrix. Both matrices are those of a canonical correlation analysis of the training
/// pairs with ridges. It takes seconds; no step changes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearSettings {
    /// Directions that are kept, 1 to 4096: width of this part.
    pub width: usize,
    /// Weight of this part's cosine, above 0 and below 1.
    ///
    /// The network's own cosine counts the rest.
    pub share: f64,
    /// Ridge on the variance of each feature, 0.000001 to 1000000.
    ///
    /// It is in units of the mean variance.
    pub image_ridge: f64,
    /// Ridge on the variance of each word, 0.000001 to 1000000.
    ///
    /// It is in units of the mean variance.
    pub text_ridge: f64,
}

impl LinearSettings {
    pub(crate) fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("itm.contrastive.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(("itm.contrastive.linear.share", "above 0 and below 1", self.share.to_string()));
        }
        let ridges = Ridges { image_ridge: self.image_ridge, text_ridge: self.text_ridge };
        ridges.check(["itm.contrastive.linear.image_ridge", "itm.contrastive.linear.text_ridge"])
    }
}
