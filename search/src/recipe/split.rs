//! `[split]`: shares of the images that go to each part.

use serde::Deserialize;
use serde::Serialize;

/// Shares of the images that go to each part; the rest of 1 stays unused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitShares {
    /// Trains the weights of the supernet.
    pub weights: f64,
    /// Trains alpha.
    pub alpha: f64,
    /// Trains nothing: measures.
    ///
    /// The published code measures on the part that trains alpha.
    pub validation: f64,
}
