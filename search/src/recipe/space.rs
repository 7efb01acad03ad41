//! `[space]`: numbers of blocks and what each may be.

use serde::{Deserialize, Serialize};

/// The space's size and operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceSettings {
    /// Number of encoder blocks (published: 12).
    pub encoder: usize,
    /// Number of decoder blocks (published: 18).
    pub decoder: usize,
    /// Operations that an encoder block may be, by name.
    ///
    /// None: the published SA and FFN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_operations: Option<Vec<String>>,
    /// Operations that a decoder block may be, by name.
    ///
    /// None: the published SA, RSA, GA and FFN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_operations: Option<Vec<String>>,
}
