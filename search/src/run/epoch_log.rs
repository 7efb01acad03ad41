//! One line of a run's log: the results of an epoch.

use serde::Deserialize;
use serde::Serialize;

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Learning rate of the weights.
    pub learning_rate: f64,
    /// Mean training loss, of a sample where the task's loss is a sum.
    pub loss: f64,
    /// Score on the validation part, 0 to 1.
    pub validation: f64,
    /// Seconds that the epoch took.
    ///
    /// The last epoch includes what a strategy decides after it. Steps that a kill lost are left
    /// out.
    pub seconds: f64,
    /// Further results: `metrics`, the metrics behind the score by name, and the learner's notes.
    ///
    /// The learner adds probabilities of the operations, entropy and the derived architecture.
    #[serde(flatten)]
    pub notes: serde_json::Map<String, serde_json::Value>,
}

impl EpochRecord {
    /// One of the metrics behind the score, by name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.notes.get("metrics")?.get(name)?.as_f64()
    }
}
