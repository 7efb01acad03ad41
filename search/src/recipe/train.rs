//! `[search.weights]` and `[retrain]`: how weights are trained.

use serde::{Deserialize, Serialize};

use crate::recipe::adam::AdamSettings;
use crate::recipe::negatives::NegativeSettings;
use crate::recipe::wrong::Wrong;

/// How weights are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// Width H of the network, a multiple of `model.head`, at most 65536.
    ///
    /// Published: 256 while searching, 512 while retraining.
    pub hidden: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Samples of an epoch, drawn afresh for each; none: all of them.
    ///
    /// An epoch ends with a validation and a checkpoint. Give a number if a pass over the data
    /// takes longer than minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_samples: Option<usize>,
    /// Largest norm of all gradients together, above 0 (published: 1.0; losses are sums).
    pub clip: f64,
    /// Factors on the learning rate in the first epochs (published: ¼, ½, ¾).
    pub warmup: Vec<f64>,
    /// Epochs from whose start the rate is multiplied by `decay` once more.
    pub decay_epochs: Vec<usize>,
    /// Factor of `decay_epochs`, above 0 (published: 0.2).
    pub decay: f64,
    /// Steps between checkpoints, besides the one after every epoch; 0 for none.
    pub checkpoint_steps: u64,
    /// Adam's constants (published: β .9 .98, ε 1e-9).
    pub adam: AdamSettings,
    /// Micro-batches of a step, whose gradients add up; a divisor of `batch`.
    ///
    /// More of them take less memory and more time.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Share of the old value in an exponential moving average of the weights.
    ///
    /// It is 0 to below 1; none: no average, as published. The average is what is validated and
    /// kept. It helps if data are few and the score jumps from epoch to epoch. A search has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Epochs without a better validation after which training ends; none: never.
    ///
    /// A search has none: it ends by `search.stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Batches that are loaded ahead on another thread, at most 1024.
    #[serde(default = "two")]
    pub prefetch: usize,
    /// Negatives of image-text matching.
    #[serde(default)]
    pub negatives: NegativeSettings,
}

pub(crate) fn one() -> usize {
    1
}

pub(crate) fn two() -> usize {
    2
}

impl TrainSettings {
    /// The same training at another width H.
    ///
    /// The learning rate is multiplied by the old width over the new one: a rate that is right at one
    /// width is so at others, for Adam, if it falls as 1 / H (Yang et al. 2022, Tensor Programs V).
    pub fn at_width(&self, hidden: usize) -> TrainSettings {
        TrainSettings { hidden, ..self.at_rate(self.hidden as f64 / hidden.max(1) as f64) }
    }

    /// The same training with its learning rate multiplied by `factor`.
    pub fn at_rate(&self, factor: f64) -> TrainSettings {
        let mut settings = self.clone();
        settings.adam.lr *= factor;
        settings
    }

    /// What is wrong, by the field's name among these settings.
    pub(crate) fn check(&self, head: usize) -> std::result::Result<(), Wrong> {
        if self.hidden == 0 || self.hidden > 1 << 16 || !self.hidden.is_multiple_of(head) {
            return Err(("hidden", "a multiple of model.head, at most 65536", self.hidden.to_string()));
        }
        if self.clip <= 0.0 || self.clip.is_nan() {
            return Err(("clip", "a number above 0", self.clip.to_string()));
        }
        let factor = |f: &f64| *f > 0.0 && f.is_finite();
        if !self.warmup.iter().all(factor) {
            return Err(("warmup", "factors above 0", format!("{:?}", self.warmup)));
        }
        if !factor(&self.decay) {
            return Err(("decay", "a factor above 0", self.decay.to_string()));
        }
        if self.accumulate == 0 || !self.batch.is_multiple_of(self.accumulate) {
            return Err(("accumulate", "a divisor of batch", self.accumulate.to_string()));
        }
        if let Some(average) = self.average.filter(|average| !(0.0..1.0).contains(average)) {
            return Err(("average", "a share from 0 to below 1", average.to_string()));
        }
        if self.epoch_samples == Some(0) {
            return Err(("epoch_samples", "at least 1 sample", "0".to_owned()));
        }
        if self.patience == Some(0) {
            return Err(("patience", "at least 1 epoch", "0".to_owned()));
        }
        let n = &self.negatives;
        if n.keep == 0 || n.pool < n.keep || n.pool > 1 << 16 {
            return Err(("negatives", "1 ≤ keep ≤ pool ≤ 65536", format!("{n:?}")));
        }
        if self.prefetch > 1 << 10 {
            return Err(("prefetch", "at most 1024", self.prefetch.to_string()));
        }
        self.adam.check(["adam.lr", "adam.betas", "adam.epsilon"])
    }

    /// Samples of an epoch when there are `all`.
    pub(crate) fn samples_of(&self, all: usize) -> usize {
        self.epoch_samples.map_or(all, |samples| samples.min(all))
    }

    /// Samples that are run at once when no gradient is needed.
    pub(crate) fn evaluated_at_once(&self) -> usize {
        4 * self.batch / self.accumulate
    }

    /// The learning rate of `epoch`, from 0.
    ///
    /// Decays before the epoch `decays_from` do not count. It is 0, except when a resumed run
    /// forgets them as the published code does.
    pub fn learning_rate(&self, epoch: usize, decays_from: usize) -> f64 {
        let warmup = self.warmup.get(epoch).copied().unwrap_or(1.0);
        let decays = self.decay_epochs.iter().filter(|&&e| epoch >= e && e >= decays_from).count();
        self.adam.lr * warmup * self.decay.powi(decays as i32)
    }
}
