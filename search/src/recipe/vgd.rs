//! `[vgd]`: which boxes are right, and the linear part of the scores.

use mmnas_bundle::manifest::EmbeddingDimensions;
use serde::{Deserialize, Serialize};

use crate::recipe::ridges::Ridges;
use crate::recipe::wrong::Wrong;

/// Settings of visual grounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VgdSettings {
    /// Whether samples with the same phrase about the same image become one.
    ///
    /// Every box of such a sample is right: "any box" in the literature on phrases of several
    /// things. Otherwise each is a sample of its own, as published.
    pub any_box: bool,
    /// The linear part of the scores.
    ///
    /// None: the network's own scores alone, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<RegionLinearSettings>,
}

impl VgdSettings {
    /// Sizes of the embeddings that a network gets; none without a linear part.
    pub fn embeddings(&self) -> Option<EmbeddingDimensions> {
        self.linear.map(|settings| EmbeddingDimensions::Regions { width: settings.width })
    }

    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        self.linear.map_or(Ok(()), RegionLinearSettings::check)
    }
}

/// The linear part of the scores of grounding, an addition of ours.
///
/// The features of each region and the words of each text go through one matrix each. The product
/// of both counts in the region's score. The matrices are those of a canonical correlation
/// analysis, and no step changes them. It runs over the phrases of the training part and the
/// regions that they mean. Training does not read that score; validation and everything after it
/// does. The matrices know the phrases that they come from too well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionLinearSettings {
    /// Directions that are kept, 1 to 4096.
    pub width: usize,
    /// Standard deviation of this part of the scores, 0.001 to 1000.
    ///
    /// It is taken over the training part's regions and phrases. The network's own scores are
    /// logarithms of probabilities.
    pub deviation: f64,
    /// Ridges of the analysis.
    pub ridges: Ridges,
}

impl RegionLinearSettings {
    pub(crate) fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("vgd.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(1e-3..=1e3).contains(&self.deviation) {
            return Err(("vgd.linear.deviation", "0.001 to 1000", self.deviation.to_string()));
        }
        self.ridges.check(["vgd.linear.ridges.image_ridge", "vgd.linear.ridges.text_ridge"])
    }
}
