//! `[itm]`: how image-text matching ranks, and its dual encoder.

use mmnas_bundle::manifest::EmbeddingDimensions;
use serde::{Deserialize, Serialize};

use crate::recipe::contrastive::ContrastiveSettings;
use crate::recipe::wrong::Wrong;

/// Settings of image-text matching alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItmSettings {
    /// Most images that a validation ranks against each other's captions.
    pub ranked_images: usize,
    /// How a validation ranks if the network has a dual encoder.
    ///
    /// None: every pair is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortlist: Option<Shortlist>,
    /// The dual encoder that is trained beside the published head.
    ///
    /// None: there is none, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrastive: Option<ContrastiveSettings>,
}

impl ItmSettings {
    /// Sizes of the embeddings that a network gets; none without a dual encoder.
    pub fn embeddings(&self) -> Option<EmbeddingDimensions> {
        self.contrastive.map(|settings| {
            let linear = settings.linear.map(|linear| linear.width);
            let (width, features) = (settings.width + linear.unwrap_or(0), settings.features);
            EmbeddingDimensions::DualEncoder { width, features, linear }
        })
    }

    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        self.contrastive.map_or(Ok(()), |settings| settings.check())
    }
}

/// A ranking in two steps: the dual encoder draws candidates, the network scores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortlist {
    /// Images that are ranked against each other's captions, at most.
    pub images: usize,
    /// Candidates of a query that are scored.
    ///
    /// They are scored by their cosines as long as the head has learnt nothing.
    pub candidates: usize,
}
