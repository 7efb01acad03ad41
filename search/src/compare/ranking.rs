//! Ranking quality of a supernet.
//!
//! It compares the accuracy of architectures with the shared weights to their accuracy when trained
//! alone.

use serde::{Deserialize, Serialize};

/// Scores of some architectures of the space, on the validation part, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The architectures, drawn uniformly.
    pub architectures: Vec<String>,
    /// Scores with the supernet's shared weights.
    pub shared: Vec<f64>,
    /// Scores when trained from scratch.
    pub alone: Vec<f64>,
    /// Kendall's tau-b of the two.
    pub kendall_tau: f64,
    /// Spearman's rho of the two.
    pub spearman_rho: f64,
}
