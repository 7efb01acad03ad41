//! What graphs gave and took where the bundle was written.

use serde::{Deserialize, Serialize};

use crate::manifest::form::{Form, Precision, Variant};

/// What one form of the graphs gave and took.
///
/// It was measured on the machine that wrote the bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Which operators.
    pub variant: Variant,
    /// Which numbers.
    pub precision: Precision,
    /// Largest difference of the network's outputs from the recorded ones.
    ///
    /// The precision says how it is measured ([`Precision::tolerance`]).
    pub difference: f64,
    /// Median milliseconds of one item through the three stages, if timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// Words of the text that was timed.
    pub tokens: usize,
    /// Regions of the image that was timed.
    pub regions: usize,
    /// The machine: processor and threads.
    pub machine: String,
}

impl Measured {
    /// Operators and number format together.
    pub fn form(&self) -> Form {
        Form { variant: self.variant, precision: self.precision }
    }
}
