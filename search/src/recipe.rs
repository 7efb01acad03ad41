//! Recipes: every constant of a run, as TOML. Unknown keys are errors; any value can be overridden.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::{SplitShares, TextRules};
use crate::{AdamSettings, Error, Pool, Result, SamplingMode};

mod space;

pub use space::SpaceSettings;

/// A whole recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seeds every random decision.
    pub seed: u64,
    /// Shares of the images that go to the three parts.
    pub split: SplitShares,
    /// How text becomes numbers.
    pub text: TextRules,
    /// Sizes that searching and retraining share.
    pub model: ModelSettings,
    /// Numbers of blocks and what each may be.
    pub space: SpaceSettings,
    /// The search.
    pub search: SearchSettings,
    /// The training of the derived architecture from scratch.
    pub retrain: TrainSettings,
    /// The operations that names in `space` and in architectures stand for; no part of the file.
    #[serde(skip)]
    pub pool: Pool,
}

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Width of a word vector (published: 300).
    pub embedding: usize,
    /// Inner width of AttFlat (published: 512).
    pub attflat: usize,
    /// Width of an attention head (published: 64).
    pub head: usize,
    /// Width of the relation layer (published: 64).
    pub relation: usize,
    /// Dropout rate (published: 0.1).
    pub dropout: f64,
    /// Whether features are standardised by the training images' mean and deviation.
    pub standardise: bool,
}

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
}

/// What is wrong with a recipe: field, what it must be, what it is.
type Wrong = (&'static str, &'static str, String);

fn check_adam(adam: &AdamSettings) -> std::result::Result<(), Wrong> {
    let beta = |b: f64| (0.0..1.0).contains(&b);
    let above_zero = |v: f64| v > 0.0 && v.is_finite();
    if !above_zero(adam.lr) {
        return Err(("adam.lr", "a number above 0", adam.lr.to_string()));
    }
    if !beta(adam.betas.0) || !beta(adam.betas.1) {
        return Err(("adam.betas", "two numbers from 0 to below 1", format!("{:?}", adam.betas)));
    }
    if !above_zero(adam.epsilon) {
        return Err(("adam.epsilon", "a number above 0", adam.epsilon.to_string()));
    }
    Ok(())
}

impl TrainSettings {
    fn check(&self, head: usize) -> std::result::Result<(), Wrong> {
        if self.hidden == 0 || self.hidden > 1 << 16 || !self.hidden.is_multiple_of(head) {
            return Err(("hidden", "a multiple of model.head, at most 65536", self.hidden.to_string()));
        }
        if self.clip <= 0.0 || self.clip.is_nan() {
            return Err(("clip", "a number above 0", self.clip.to_string()));
        }
        let factor = |f: &f64| *f > 0.0 && f.is_finite();
        if !self.warmup.iter().all(factor) || !factor(&self.decay) {
            return Err(("warmup, decay", "factors above 0", format!("{:?}, {}", self.warmup, self.decay)));
        }
        check_adam(&self.adam)
    }

    /// The learning rate of `epoch`, from 0.
    pub fn learning_rate(&self, epoch: usize) -> f64 {
        let warmup = self.warmup.get(epoch).copied().unwrap_or(1.0);
        let decays = self.decay_epochs.iter().filter(|&&e| epoch >= e).count();
        self.adam.lr * warmup * self.decay.powi(decays as i32)
    }
}

/// The search: how weights are trained, and how alpha is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Weight steps.
    pub weights: TrainSettings,
    /// Which gate mode architecture steps use.
    pub mode: SamplingMode,
    /// First epoch with architecture steps (published: 20).
    pub alpha_from_epoch: usize,
    /// Weight steps between architecture steps (published: 5).
    pub alpha_every: u64,
    /// Samples an architecture step.
    pub alpha_batch: usize,
    /// Adam's constants for alpha (published: lr .1, β 0 .999).
    pub alpha: AdamSettings,
}

impl Recipe {
    /// Reads a recipe and applies overrides, each `key.of.the.recipe=value`, the value in TOML.
    pub fn read(file: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
        Recipe::parse(&text, file, overrides)
    }

    /// As [`Recipe::read`] from text; `file` names it in errors.
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Recipe> {
        Recipe::parse_with(text, file, overrides, Pool::standard())
    }

    /// As [`Recipe::parse`] for a recipe that may name the operations of `pool`.
    pub fn parse_with(text: &str, file: &Path, overrides: &[String], pool: Pool) -> Result<Recipe> {
        let wrong = |field: &str, expected: &str, found: &dyn std::fmt::Display| Error::Recipe {
            file: file.to_path_buf(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        };
        let mut table: toml::Table = text.parse().map_err(|e| wrong("(file)", "TOML", &e))?;
        for entry in overrides {
            let parsed = entry.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let (key, value) = parsed.ok_or_else(|| wrong("--set", "KEY=VALUE", entry))?;
            let line: toml::Table = format!("v = {value}").parse().map_err(|e| wrong(key, "a TOML value", &e))?;
            let mut parts: Vec<&str> = key.split('.').collect();
            let last = parts.pop().unwrap_or_default();
            let mut place = &mut table;
            for part in parts {
                place = place
                    .get_mut(part)
                    .and_then(toml::Value::as_table_mut)
                    .ok_or_else(|| wrong(key, "a key of the recipe", &part))?;
            }
            place.insert(last.to_owned(), line["v"].clone());
        }
        let mut recipe: Recipe =
            table.try_into().map_err(|e: toml::de::Error| wrong("(keys)", "the keys of a recipe", &e.message()))?;
        recipe.pool = pool;
        recipe.check().map_err(|(field, expected, found)| wrong(field, expected, &found))?;
        recipe.check_space().map_err(|(field, expected, found)| wrong(&field, &expected, &found))?;
        Ok(recipe)
    }

    fn check(&self) -> std::result::Result<(), Wrong> {
        let m = &self.model;
        let widths = [
            ("model.embedding", m.embedding),
            ("model.attflat", m.attflat),
            ("model.head", m.head),
            ("model.relation", m.relation),
            ("space.encoder", self.space.encoder),
            ("space.decoder", self.space.decoder),
            ("text.max_tokens", self.text.max_tokens),
            ("search.weights.batch", self.search.weights.batch),
            ("search.alpha_batch", self.search.alpha_batch),
            ("search.alpha_every", self.search.alpha_every as usize),
            ("retrain.batch", self.retrain.batch),
            ("search.weights.epochs", self.search.weights.epochs),
            ("retrain.epochs", self.retrain.epochs),
        ];
        if let Some((field, value)) = widths.iter().find(|(_, v)| *v == 0 || *v > 1 << 20) {
            return Err((field, "1 to 1048576", value.to_string()));
        }
        for (field, blocks) in [("space.encoder", self.space.encoder), ("space.decoder", self.space.decoder)] {
            if blocks > mmnas_bundle::Architecture::MAX_BLOCKS {
                return Err((field, "1 to 1024", blocks.to_string()));
            }
        }
        for settings in [&self.search.weights, &self.retrain] {
            settings.check(m.head)?;
        }
        check_adam(&self.search.alpha)?;
        if !(0.0..1.0).contains(&m.dropout) {
            return Err(("model.dropout", "0 to below 1", m.dropout.to_string()));
        }
        let s = &self.split;
        let shares = [s.weights, s.alpha, s.validation];
        let in_range = shares.iter().all(|v| *v > 0.0) && shares.iter().sum::<f64>() <= 1.0 + 1e-9;
        if !in_range {
            return Err(("split", "positive shares with a sum of at most 1", format!("{s:?}")));
        }
        Ok(())
    }

    /// The recipe with everything resolved, as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Error::Recipe {
            file: "recipe".into(),
            field: "(recipe)".into(),
            expected: "a recipe that can be written".into(),
            found: e.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../recipes/easy_vqa.toml");

    #[test]
    fn the_learning_rate_warms_up_holds_and_decays() {
        let set = ["retrain.warmup=[0.25, 0.5, 0.75]", "retrain.decay_epochs=[10, 12]", "retrain.adam.lr=1e-4"]
            .map(str::to_owned);
        let settings = Recipe::parse(TEXT, Path::new("easy_vqa.toml"), &set).unwrap().retrain;
        let rates: Vec<f64> = [0, 1, 2, 3, 9, 10, 11, 12, 13].map(|e| settings.learning_rate(e) / 1e-4).into();
        for (rate, expected) in rates.iter().zip([0.25, 0.5, 0.75, 1.0, 1.0, 0.2, 0.2, 0.04, 0.04]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (set, word) in [
            ("retrain.hidden=100", "multiple of model.head"),
            ("retrain.adam.lr=-1.0", "adam.lr"),
            ("search.weights.clip=0.0", "clip"),
            ("space.decoder=2000", "space.decoder"),
            ("split.alpha=0.9", "split"),
            ("retrain.batch=0", "retrain.batch"),
            ("search.alpha.betas=[0.0, 1.0]", "betas"),
            ("retrain.warmup=[0.0]", "warmup"),
            ("model.dropout=1.0", "dropout"),
        ] {
            let error = Recipe::parse(TEXT, Path::new("r.toml"), &[set.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("r.toml") && error.contains(word), "{set}: {error}");
        }
    }
}
