//! The part of a call that a limit is for.

use std::path::Path;

use mmnas_bundle::latency::costs::{NetworkCosts, Predicted};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Which part of a call a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedPart {
    /// A question about an image that is known: text and fusion stage.
    #[default]
    KnownImage,
    /// All three stages, from region features on.
    All,
    /// From pixels on: the vision stage too (`mmnas-search probes --vision`).
    Pixels,
    /// The text stage.
    Text,
    /// The image stage.
    Image,
    /// The fusion stage.
    Fusion,
}

impl LimitedPart {
    /// All parts.
    pub const ALL: [LimitedPart; 6] = [
        LimitedPart::KnownImage,
        LimitedPart::All,
        LimitedPart::Pixels,
        LimitedPart::Text,
        LimitedPart::Image,
        LimitedPart::Fusion,
    ];

    /// Whether text, image and fusion stage count.
    pub(crate) fn stages(self) -> [bool; 3] {
        match self {
            LimitedPart::KnownImage => [true, false, true],
            LimitedPart::All | LimitedPart::Pixels => [true; 3],
            LimitedPart::Text => [true, false, false],
            LimitedPart::Image => [false, true, false],
            LimitedPart::Fusion => [false, false, true],
        }
    }

    /// What this part takes before the network's own stages.
    ///
    /// # Errors
    /// From pixels on, a table without a vision stage, which `file` names.
    pub(crate) fn before(self, costs: &NetworkCosts, file: &Path) -> Result<f64> {
        if self != LimitedPart::Pixels {
            return Ok(0.0);
        }
        costs.vision.ok_or_else(|| {
            let expected = "a measurement of the vision stage (mmnas-search probes --vision)";
            mmnas_bundle::Error::invalid(file, "measurements", expected, "none").into()
        })
    }

    /// What this part is predicted to take.
    ///
    /// From pixels on it is infinite where no vision stage was measured, so that no limit is kept.
    pub fn of(self, predicted: Predicted) -> f64 {
        let stages = [predicted.text, predicted.image, predicted.fusion];
        let own: f64 =
            stages.into_iter().zip(self.stages()).filter(|(_, counts)| *counts).map(|(taken, _)| taken).sum();
        match self {
            LimitedPart::Pixels => own + predicted.vision.unwrap_or(f64::INFINITY),
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sums_of_stages() {
        let predicted = Predicted { vision: Some(8.0), text: 1.0, image: 2.0, fusion: 4.0 };
        let found = LimitedPart::ALL.map(|part| part.of(predicted));
        assert_eq!(found, [5.0, 7.0, 15.0, 1.0, 2.0, 4.0]);
        assert_eq!(LimitedPart::Pixels.of(Predicted { vision: None, ..predicted }), f64::INFINITY);
    }
}
