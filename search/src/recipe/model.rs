//! `[model]`: sizes of the network, and what it is shown.

use serde::Deserialize;
use serde::Serialize;

use crate::precision::MatmulPrecision;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Width of a word vector (published: 300).
    pub embedding: usize,
    /// Inner width of AttFlat (published: 512).
    pub attflat: usize,
    /// Width of an attention head (published: 64).
    pub head: usize,
    /// Width of the relation layer (published: 64).
    pub relation: usize,
    /// Dropout rate (published: 0.1).
    pub dropout: f64,
    /// Whether features are standardised by the training images' mean and deviation.
    pub standardise: bool,
    /// What training hides of texts and images; nothing, as published, where it is left out.
    #[serde(default, skip_serializing_if = "Hiding::is_nothing")]
    pub hide: Hiding,
    /// What the network is shown: a control of a comparison is kept from one side of its input.
    #[serde(default, alias = "sees", skip_serializing_if = "Modalities::is_whole")]
    pub modalities: Modalities,
    /// What the matrix products of training are computed in; what is trained and exported is 32-bit either way.
    #[serde(default)]
    pub precision: MatmulPrecision,
}

/// What a network is shown of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modalities {
    /// Text and regions.
    #[default]
    Both,
    /// The text; features are zeros, the regions' boxes stay.
    Text,
    /// The regions; every text is one unknown word.
    Image,
}

impl Modalities {
    pub(crate) fn is_whole(&self) -> bool {
        *self == Modalities::Both
    }
}

/// Shares of what is hidden, drawn afresh for every sample; 0 to below 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hiding {
    /// Words, which are read as unknown.
    #[serde(default)]
    pub words: f64,
    /// Regions, whose features are zeros before they are standardised.
    #[serde(default)]
    pub regions: f64,
}

impl Hiding {
    /// Whether nothing is hidden.
    pub fn is_nothing(&self) -> bool {
        *self == Hiding::default()
    }
}
