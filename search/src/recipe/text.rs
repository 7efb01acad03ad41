//! `[text]`: how text becomes numbers.

use serde::{Deserialize, Serialize};

/// How texts become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Longer texts are cut to this many tokens (published: 14; 50 in image-text matching).
    pub max_tokens: usize,
}
