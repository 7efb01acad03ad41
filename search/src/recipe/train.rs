use serde::{Deserialize, Serialize};

use super::Wrong;
use crate::AdamSettings;

/// How weights are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// H (published: 256 while searching, 512 while retraining).
    pub hidden: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// Samples of an epoch, drawn afresh for each; none: all of them. Epochs are what validates and saves, so they are to be
    /// minutes long where passes over the data take longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_samples: Option<usize>,
    /// Largest norm of all gradients together (published: 1.0; losses are sums).
    pub clip: f64,
    /// Factors on the learning rate in the first epochs (published: ¼, ½, ¾).
    pub warmup: Vec<f64>,
    /// Epochs from whose start on the rate is multiplied by `decay` once more.
    pub decay_epochs: Vec<usize>,
    /// See `decay_epochs` (published: 0.2).
    pub decay: f64,
    /// Steps between checkpoints, besides the one after every epoch; 0 for none.
    pub checkpoint_steps: u64,
    /// Adam's constants (published: β .9 .98, ε 1e-9).
    pub adam: AdamSettings,
    /// A step's samples are run in this many parts one after the other, their gradients added up: memory for time.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// What is validated and kept is a running mean of the weights, this much of the one before and the rest of the step's; none:
    /// the weights themselves, as published. Of use where data are few and the score jumps from epoch to epoch. A search
    /// has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Ends the training after this many epochs without a better validation (early stopping); none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Batches that are loaded ahead, on another thread.
    #[serde(default = "two")]
    pub prefetch: usize,
    /// Negatives of image-text matching.
    #[serde(default)]
    pub negatives: NegativeSettings,
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

/// The joint embedding of image-text matching, which a shortlist is drawn from: an addition of ours, trained beside the
/// published loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastiveSettings {
    /// Width of the network's own embedding, at most 4096.
    pub width: usize,
    /// Whether the image's embedding reads the features of the regions too, by a linear layer of its own, beside the regions'
    /// states of width H: D · `width` more parameters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub features: bool,
    /// Whether a pair's logit is the head's alone at first. Otherwise it begins as ten times the embedding's cosine less 4.5, which ranks where
    /// pairs are few and the head learns late, and which a head that has learnt from many pairs must outweigh. Weights of another run bring what
    /// they have learnt. Not together with `negatives.from_epoch`, whose first epochs train no head.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head_alone: bool,
    /// The linear part beside what the network embeds; none: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<LinearSettings>,
    /// What the contrastive loss counts beside the published one.
    pub weight: f64,
    /// What the cosines are divided by before the softmax, 0.001 to 10.
    pub temperature: f64,
}

impl ContrastiveSettings {
    pub(super) fn check(&self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("contrastive.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err(("contrastive.weight", "a number above 0", self.weight.to_string()));
        }
        if !(1e-3..=10.0).contains(&self.temperature) {
            return Err(("contrastive.temperature", "0.001 to 10", self.temperature.to_string()));
        }
        self.linear.map_or(Ok(()), LinearSettings::check)
    }
}

/// The linear part of the joint embedding: an image is the mean of its regions' features by area, a text the sum of its words, each through
/// one matrix. Both matrices are those of a canonical correlation analysis of the training pairs with ridges, which takes seconds; no
/// step changes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearSettings {
    /// Directions that are kept, at most 4096: width of this part.
    pub width: usize,
    /// What this part's cosine counts, from above 0 to below 1; the network's own counts the rest.
    pub share: f64,
    /// What is added to the variance of each feature, in units of the mean variance.
    pub image_ridge: f64,
    /// What is added to the variance of each word, in units of the mean variance.
    pub text_ridge: f64,
}

impl LinearSettings {
    fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("contrastive.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(("contrastive.linear.share", "above 0 and below 1", self.share.to_string()));
        }
        let ridges = Ridges { image_ridge: self.image_ridge, text_ridge: self.text_ridge };
        ridges.check(["contrastive.linear.image_ridge", "contrastive.linear.text_ridge"])
    }
}

/// The linear part of the scores of grounding, an addition of ours: what each region is and each word says goes through one matrix, and
/// the product of both counts in the region's score. The matrices are those of a canonical correlation analysis of the phrases of the
/// training part and the regions that they mean; no step changes them. They know the phrases that they come from too well to say what a
/// network still has to learn of these, so training does not read that score; validation and everything after it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionLinearSettings {
    /// Directions that are kept, at most 4096.
    pub width: usize,
    /// Deviation of this part of the scores over the regions and phrases of the training part, 0.001 to 1000; the network's own scores are
    /// logarithms of probabilities.
    pub deviation: f64,
    /// What the analysis adds to variances.
    pub ridges: Ridges,
}

impl RegionLinearSettings {
    pub(super) fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("regions.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(1e-3..=1e3).contains(&self.deviation) {
            return Err(("regions.linear.deviation", "0.001 to 1000", self.deviation.to_string()));
        }
        self.ridges.check(["regions.linear.ridges.image_ridge", "regions.linear.ridges.text_ridge"])
    }
}

/// What a canonical correlation analysis adds to variances, in units of their mean: the more, the less it follows what few samples
/// have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ridges {
    /// To the variance of each feature.
    pub image_ridge: f64,
    /// To the variance of each word.
    pub text_ridge: f64,
}

impl Ridges {
    pub(super) fn check(self, fields: [&'static str; 2]) -> std::result::Result<(), Wrong> {
        let mut ridges = fields.into_iter().zip([self.image_ridge, self.text_ridge]);
        match ridges.find(|(_, ridge)| !(1e-6..=1e6).contains(ridge)) {
            Some((field, ridge)) => Err((field, "0.000001 to 1000000", ridge.to_string())),
            None => Ok(()),
        }
    }
}

/// Where negatives of image-text matching come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativeSettings {
    /// Random candidates that are scored for each image and each caption (published: 64; 32 while searching).
    pub pool: usize,
    /// The hardest of them that are kept; each sample draws one (published: 5).
    pub keep: usize,
    /// First epoch with negatives. Before it only the joint embedding of a network that has one is trained, on true pairs alone:
    /// several times as fast, so that it has seen enough when what is hard is mined by it. Other networks have negatives
    /// from the start.
    #[serde(default)]
    pub from_epoch: usize,
    /// First epoch whose negatives are mined; until then they are random (published: 0; 10 while searching).
    pub mine_from_epoch: usize,
    /// What says how hard a candidate is.
    #[serde(default)]
    pub by: HardBy,
}

/// What hard negatives are mined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HardBy {
    /// The network's score of the pair (published): a pass for every candidate.
    #[default]
    Score,
    /// The cosine of the joint embeddings: a pass for every caption, so that the pool may be large. A network without a joint
    /// embedding mines by its scores, from a pool of [`HardBy::POOL_OF_SCORES`] at most.
    Embedding,
}

impl HardBy {
    /// See [`HardBy::Embedding`].
    pub const POOL_OF_SCORES: usize = 16;
}

impl Default for NegativeSettings {
    fn default() -> Self {
        NegativeSettings { pool: 64, keep: 5, from_epoch: 0, mine_from_epoch: 0, by: HardBy::Score }
    }
}

impl AdamSettings {
    /// `fields` are those of `lr`, `betas` and `epsilon`.
    pub(super) fn check(&self, fields: [&'static str; 3]) -> std::result::Result<(), Wrong> {
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

impl TrainSettings {
    /// What is wrong, by the field's name among these settings.
    pub(super) fn check(&self, head: usize) -> std::result::Result<(), Wrong> {
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

    /// Samples of an epoch, of so many.
    pub(crate) fn samples_of(&self, all: usize) -> usize {
        self.epoch_samples.map_or(all, |samples| samples.min(all))
    }

    /// Samples that are run at once where no gradient is asked for.
    pub(crate) fn evaluated_at_once(&self) -> usize {
        4 * self.batch / self.accumulate
    }

    /// The learning rate of `epoch`, from 0. Decays before the epoch `decays_from` do not count: 0, but where a resumed
    /// run forgets them as the published code does.
    pub fn learning_rate(&self, epoch: usize, decays_from: usize) -> f64 {
        let warmup = self.warmup.get(epoch).copied().unwrap_or(1.0);
        let decays = self.decay_epochs.iter().filter(|&&e| epoch >= e && e >= decays_from).count();
        self.adam.lr * warmup * self.decay.powi(decays as i32)
    }
}
