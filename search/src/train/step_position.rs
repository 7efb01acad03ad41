//! Position of a run: epoch and step.

use serde::Deserialize;
use serde::Serialize;

/// Position of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPosition {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step inside the epoch, from 0.
    pub step: usize,
    /// Weight steps since the start.
    pub total: u64,
}
