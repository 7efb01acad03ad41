//! `[search]`: how weights are trained, and how alpha is.

use serde::{Deserialize, Serialize};

use crate::recipe::adam::AdamSettings;
use crate::recipe::finals::FinalSettings;
use crate::recipe::limits::LimitSettings;
use crate::recipe::strategy::StrategySettings;
use crate::recipe::train::TrainSettings;
use crate::recipe::wrong::Wrong;

/// The search: how weights are trained, and how alpha is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Weight steps.
    pub weights: TrainSettings,
    /// The strategy, which decides the architecture, and its constants.
    pub strategy: StrategySettings,
    /// First epoch with architecture steps (published: 20).
    pub alpha_from_epoch: usize,
    /// Weight steps between architecture steps (published: 5).
    pub alpha_every: u64,
    /// Samples of an architecture step.
    pub alpha_batch: usize,
    /// Adam's constants for alpha (published: lr .1, β 0 .999).
    pub alpha: AdamSettings,
    /// What the network that is found may take on a device.
    ///
    /// None: anything, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitSettings>,
    /// Trainings that decide between the best networks of the search.
    ///
    /// None: the first is taken, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finals: Option<FinalSettings>,
    /// When a search ends before its last epoch.
    ///
    /// None: never (the published code is stopped by hand).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRule>,
}

/// Ends a search whose top choices have settled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRule {
    /// Epochs in a row, with architecture steps, that must have settled, at least 1.
    pub epochs: usize,
    /// Smallest share of blocks that keep their top choice in it, 0 to 1.
    pub agreement: f64,
    /// Largest mean entropy of the blocks in it, relative to the maximum, 0 to 1.
    pub entropy: f64,
}

impl SearchSettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        self.alpha.check(["search.alpha.lr", "search.alpha.betas", "search.alpha.epsilon"])?;
        self.strategy.check()?;
        self.limits.as_ref().map_or(Ok(()), LimitSettings::check)?;
        self.finals.as_ref().map_or(Ok(()), FinalSettings::check)?;
        if self.finals.as_ref().is_some_and(|finals| finals.candidates.is_some()) && !self.strategy.has_alpha() {
            let expected = "a strategy with alpha: the others rank by shared scores already";
            return Err(("search.finals.candidates", expected, format!("{:?}", self.strategy)));
        }
        if let Some(average) = self.weights.average {
            return Err(("search.weights.average", "nothing: paths share their weights", average.to_string()));
        }
        if let Some(patience) = self.weights.patience {
            return Err(("search.weights.patience", "nothing: a search ends by search.stop", patience.to_string()));
        }
        if let Some(rule) = &self.stop {
            let share = |v: f64| (0.0..=1.0).contains(&v);
            if rule.epochs == 0 || !share(rule.agreement) || !share(rule.entropy) {
                return Err(("search.stop", "epochs of at least 1, agreement and entropy 0 to 1", format!("{rule:?}")));
            }
        }
        Ok(())
    }
}
