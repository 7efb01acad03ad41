//! What is added up: time, bytes, memory or energy.

use serde::{Deserialize, Serialize};

use crate::latency::table::Measurement;

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Median time of one item, in milliseconds.
    Milliseconds,
    /// Graphs and weights on disk, in megabytes (10⁶ bytes).
    Megabytes,
    /// Memory that the sessions hold, in megabytes (10⁶ bytes).
    Memory,
    /// Energy of one item, in millijoules.
    Millijoules,
}

impl Quantity {
    /// All quantities, in the order of a table's columns.
    pub const ALL: [Quantity; 4] =
        [Quantity::Milliseconds, Quantity::Megabytes, Quantity::Memory, Quantity::Millijoules];

    /// Short name of the unit: `ms`, `MB`, `MB of memory`, `mJ`.
    pub fn unit(self) -> &'static str {
        match self {
            Quantity::Milliseconds => "ms",
            Quantity::Megabytes => "MB",
            Quantity::Memory => "MB of memory",
            Quantity::Millijoules => "mJ",
        }
    }

    /// The field of a measurement that holds it.
    pub(super) fn field(self) -> &'static str {
        match self {
            Quantity::Milliseconds => "milliseconds",
            Quantity::Megabytes => "bytes",
            Quantity::Memory => "memory",
            Quantity::Millijoules => "millijoules",
        }
    }

    /// What a graph took, if that could be read where it was measured.
    pub fn of(self, measurement: &Measurement) -> Option<f64> {
        match self {
            Quantity::Milliseconds => Some(measurement.milliseconds),
            Quantity::Megabytes => Some(measurement.bytes as f64 / 1e6),
            // Earlier tables have 0 where a graph took what another had given back.
            Quantity::Memory => measurement.memory.filter(|bytes| *bytes > 0).map(|bytes| bytes as f64 / 1e6),
            Quantity::Millijoules => measurement.millijoules,
        }
    }
}
