//! `[….adam]`: constants of Adam.

use serde::Deserialize;
use serde::Serialize;

use crate::recipe::wrong::Wrong;

impl AdamSettings {
    /// Checks the ranges; `fields` names `lr`, `betas` and `epsilon` in errors.
    pub(crate) fn check(&self, fields: [&'static str; 3]) -> std::result::Result<(), Wrong> {
        let [lr, betas, epsilon] = fields;
        let beta = |b: f64| (0.0..1.0).contains(&b);
        let above_zero = |v: f64| v > 0.0 && v.is_finite();
        if !above_zero(self.lr) {
            return Err((lr, "a number above 0", self.lr.to_string()));
        }
        if !beta(self.betas.0) || !beta(self.betas.1) {
            return Err((betas, "two numbers from 0 to below 1", format!("{:?}", self.betas)));
        }
        if !above_zero(self.epsilon) {
            return Err((epsilon, "a number above 0", self.epsilon.to_string()));
        }
        Ok(())
    }
}

/// Constants of Adam.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamSettings {
    /// Learning rate, above 0.
    pub lr: f64,
    /// Decay of the first and the second moment, each 0 to below 1.
    pub betas: (f64, f64),
    /// Number added to the root of the second moment, above 0.
    pub epsilon: f64,
}
