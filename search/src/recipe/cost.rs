//! `[search.cost]`: what operations cost on a device.

use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// The expected cost of the blocks, added to the objective of alpha.
///
/// It is `weight · Σ_blocks Σ_i p_i c_i`, with costs c relative to the mean of all operations of
/// the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostSettings {
    /// Loss that a block of mean cost adds to an architecture step's batch.
    pub weight: f64,
    /// Milliseconds of every operation of the space, by name.
    ///
    /// `mmnas-search costs` measures them.
    pub milliseconds: BTreeMap<String, f64>,
}
