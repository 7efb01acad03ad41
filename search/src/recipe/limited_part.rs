//! The part of a call that a limit is for.

use mmnas_bundle::latency::costs::Predicted;
use serde::{Deserialize, Serialize};

/// Which part of a call a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedPart {
    /// A question about an image that is known: text and fusion stage.
    #[default]
    KnownImage,
    /// All three stages, from region features on.
    All,
    /// The text stage.
    Text,
    /// The image stage.
    Image,
    /// The fusion stage.
    Fusion,
}

impl LimitedPart {
    /// All parts.
    pub const ALL: [LimitedPart; 5] =
        [LimitedPart::KnownImage, LimitedPart::All, LimitedPart::Text, LimitedPart::Image, LimitedPart::Fusion];

    /// Whether text, image and fusion stage count.
    pub(crate) fn stages(self) -> [bool; 3] {
        match self {
            LimitedPart::KnownImage => [true, false, true],
            LimitedPart::All => [true; 3],
            LimitedPart::Text => [true, false, false],
            LimitedPart::Image => [false, true, false],
            LimitedPart::Fusion => [false, false, true],
        }
    }

    /// What this part is predicted to take.
    pub fn of(self, predicted: Predicted) -> f64 {
        let stages = [predicted.text, predicted.image, predicted.fusion];
        stages.into_iter().zip(self.stages()).filter(|(_, counts)| *counts).map(|(taken, _)| taken).sum()
    }
}
