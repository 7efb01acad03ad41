//! How well a supernet ranks: the accuracy of architectures with its shared weights beside what they reach alone.

use serde::{Deserialize, Serialize};

/// Scores of some architectures of the space, on the validation part, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The architectures, drawn uniformly.
    pub architectures: Vec<String>,
    /// With the supernet's shared weights.
    pub shared: Vec<f64>,
    /// Trained from scratch.
    pub alone: Vec<f64>,
    /// Kendall's tau-b of the two.
    pub kendall_tau: f64,
    /// Spearman's rho of the two.
    pub spearman_rho: f64,
}
