//! Which regions share the scores of grounding.

use serde::Deserialize;
use serde::Serialize;

/// Which regions share the softmax of the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScorePadding {
    /// The image's own regions.
    #[default]
    Masked,
    /// Padding too, as the published code does.
    ///
    /// Its log-probabilities are lower by one constant per expression.
    Published,
}
