//! `[text]`: how text becomes numbers.

use serde::{Deserialize, Serialize};

/// How texts become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Most tokens of a text; longer texts are cut.
    ///
    /// Published: 14; 50 in image-text matching.
    pub max_tokens: usize,
}
