//! `[model]`: sizes of the network, and what it is shown.

use serde::{Deserialize, Serialize};

use crate::precision::MatmulPrecision;

/// Sizes of the network, and what it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// Dropout rate, 0 to below 1 (published: 0.1).
    pub dropout: f64,
    /// Whether features are standardised (published: false).
    ///
    /// Mean and standard deviation are those of the training images.
    pub standardise: bool,
    /// Modalities that the network is shown: `both` (default), or `text` or `image` alone.
    ///
    /// One alone trains a unimodal baseline.
    #[serde(default, skip_serializing_if = "Modalities::are_both")]
    pub modalities: Modalities,
    /// Number format of training's matrix products: `float32` (default) or `bfloat16`.
    ///
    /// What is trained and exported is 32-bit either way.
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
    pub(crate) fn are_both(&self) -> bool {
        *self == Modalities::Both
    }
}
