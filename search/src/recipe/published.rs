//! `[published]`: what is done as the published code does it.

use serde::{Deserialize, Serialize};

/// Behaviours of the published code that ours differs from, one switch each.
///
/// A switch that is left out is off. See docs/src/concepts/differences-from-the-paper.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Published {
    /// Alpha starts at ±1 in favour of a hand-made pattern.
    pub alpha_start: bool,
    /// A search validates on the part that trains alpha, which is cut by index.
    pub validate_on_alpha: bool,
    /// Operations that were not sampled drift by Adam's momentum.
    pub momentum_drift: bool,
    /// A run that resumes forgets the decays of its learning rate until then.
    pub resume_skips_decays: bool,
    /// Random negatives may be true matches.
    pub false_negatives: bool,
    /// Everything is padded to the recipe's most regions and tokens.
    pub padding: bool,
    /// The softmax of grounding scores runs over padding too.
    ///
    /// So everything is padded as by `padding`.
    pub score_padding: bool,
}

impl Published {
    /// The names of the switches.
    pub const NAMES: [&str; 7] = [
        "alpha_start",
        "validate_on_alpha",
        "momentum_drift",
        "resume_skips_decays",
        "false_negatives",
        "padding",
        "score_padding",
    ];
}
