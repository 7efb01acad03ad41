//! `[search.limits]`: what the network that is found may take on a device.

use mmnas_bundle::manifest::Form;
use serde::{Deserialize, Serialize};

use crate::recipe::limited_part::LimitedPart;
use crate::recipe::wrong::Wrong;

/// What the network that is found may take on a device.
///
/// What is found always keeps every limit that is set. All but `parameters` are predicted from a
/// table that `mmnas profile` wrote on the device; the command line names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Most milliseconds of the part `of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// Most megabytes (10⁶ bytes) of all graphs and weights on disk, without the vision stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub megabytes: Option<f64>,
    /// Most megabytes (10⁶ bytes) of memory that the network's stages hold, where the table has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// Most millijoules of the part `of`, where the table has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millijoules: Option<f64>,
    /// Most trained parameters at the retraining's width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Which part of a call takes the milliseconds and millijoules.
    ///
    /// `known-image` (default): text and fusion stage. `all`: the image stage too, from region
    /// features on. `pixels`: the vision stage as well, if it was measured. `text`, `image`,
    /// `fusion`: that stage alone.
    #[serde(default)]
    pub of: LimitedPart,
    /// The form of the graphs, such as `ort-fp32` (default) or `ort-int8`.
    #[serde(default = "fp32")]
    pub form: Form,
    /// Loss of a sample that alpha pays for an expectation twice the limit.
    ///
    /// Alpha's objective gains `weight · max(0, E / limit − 1)` for each limit: a hinge. 0 leaves
    /// the limits to the derivation.
    #[serde(default = "one")]
    pub weight: f64,
}

fn fp32() -> Form {
    Form::ORT_FP32
}

fn one() -> f64 {
    1.0
}

impl Default for LimitSettings {
    /// No limit, of a known image in fp32.
    fn default() -> LimitSettings {
        LimitSettings {
            milliseconds: None,
            megabytes: None,
            memory: None,
            millijoules: None,
            parameters: None,
            of: LimitedPart::default(),
            form: fp32(),
            weight: one(),
        }
    }
}

impl LimitSettings {
    /// Whether a limit needs a table of the device.
    pub fn need_table(&self) -> bool {
        [self.milliseconds, self.megabytes, self.memory, self.millijoules].iter().any(Option::is_some)
    }

    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        for (field, value) in [
            ("search.limits.milliseconds", self.milliseconds),
            ("search.limits.megabytes", self.megabytes),
            ("search.limits.memory", self.memory),
            ("search.limits.millijoules", self.millijoules),
            ("search.limits.parameters", self.parameters.map(|n| n as f64)),
        ] {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && *value <= 1e9)) {
                return Err((field, "a number above 0, at most 1e9", value.to_string()));
            }
        }
        if !self.need_table() && self.parameters.is_none() {
            let expected = "at least one of milliseconds, megabytes, memory, millijoules, parameters";
            return Err(("search.limits", expected, "none".to_owned()));
        }
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            return Err(("search.limits.weight", "a number from 0", self.weight.to_string()));
        }
        Ok(())
    }
}
