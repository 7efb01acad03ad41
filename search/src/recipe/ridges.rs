//! Ridges of a canonical correlation analysis.

use serde::{Deserialize, Serialize};

use crate::recipe::wrong::Wrong;

/// What a canonical correlation analysis adds to variances, in units of their mean.
///
/// The larger they are, the less it follows what few samples have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ridges {
    /// Added to the variance of each feature, 0.000001 to 1000000.
    pub image_ridge: f64,
    /// Added to the variance of each word, 0.000001 to 1000000.
    pub text_ridge: f64,
}

impl Ridges {
    pub(crate) fn check(self, fields: [&'static str; 2]) -> std::result::Result<(), Wrong> {
        let mut ridges = fields.into_iter().zip([self.image_ridge, self.text_ridge]);
        match ridges.find(|(_, ridge)| !(1e-6..=1e6).contains(ridge)) {
            Some((field, ridge)) => Err((field, "0.000001 to 1000000", ridge.to_string())),
            None => Ok(()),
        }
    }
}
