//! `[search.finals]`: trainings that decide between the best networks of a search.

use serde::{Deserialize, Serialize};

use crate::recipe::train::TrainSettings;
use crate::recipe::wrong::Wrong;

/// Trainings of the best networks, each alone and at several rates.
///
/// A final is trained on the weights part as `[retrain]` says and scored on the alpha part. The
/// validation part is not looked at, so what it says of the winner is not the best of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalSettings {
    /// Networks that take part, 1 to 16: those that the search or their shared scores rank first.
    pub networks: usize,
    /// Factors on the learning rate of `retrain`, above 0 to 1000: each network is trained with each.
    #[serde(default = "as_it_is")]
    pub rates: Vec<f64>,
    /// Epochs of a final, 1 to 1048576; none: those of `retrain`.
    ///
    /// `decay_epochs` and the first epochs of negatives move in proportion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// How the networks are chosen by shared scores; none: by their probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<CandidateSettings>,
}

/// Most candidates.
const MOST: usize = 4096;

/// Architectures whose scores with shared weights say which networks take part in finals.
///
/// Only strategies with alpha have them: the others rank what they scored.
/// Half of them are the most probable by alpha, the others are drawn from its probabilities to the
/// power of 1 / `temperature`. Alpha decides block by block; a score sees the whole network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateSettings {
    /// Architectures that are scored: at least `networks`, at most 4096.
    pub architectures: usize,
    /// Samples of the alpha part that they are scored on, at most; at least 1.
    pub samples: usize,
    /// 1, alpha's own probabilities, to 1000, nearly uniform.
    pub temperature: f64,
}

impl CandidateSettings {
    fn check(&self, networks: usize) -> std::result::Result<(), Wrong> {
        if !(networks..=MOST).contains(&self.architectures) {
            let found = self.architectures.to_string();
            return Err(("search.finals.candidates.architectures", "as many as networks to 4096", found));
        }
        if self.samples == 0 {
            return Err(("search.finals.candidates.samples", "at least 1", "0".to_owned()));
        }
        if !(1.0..=1000.0).contains(&self.temperature) {
            return Err(("search.finals.candidates.temperature", "1 to 1000", self.temperature.to_string()));
        }
        Ok(())
    }
}

fn as_it_is() -> Vec<f64> {
    vec![1.0]
}

impl FinalSettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        if !(1..=16).contains(&self.networks) {
            return Err(("search.finals.networks", "1 to 16", self.networks.to_string()));
        }
        let sound = |rate: &f64| *rate > 0.0 && *rate <= 1000.0;
        let twice = self.rates.iter().enumerate().any(|(k, rate)| self.rates[..k].contains(rate));
        if self.rates.is_empty() || twice || !self.rates.iter().all(sound) {
            let expected = "at least one factor, each above 0, at most 1000, and once";
            return Err(("search.finals.rates", expected, format!("{:?}", self.rates)));
        }
        self.candidates.as_ref().map_or(Ok(()), |candidates| candidates.check(self.networks))?;
        match self.epochs {
            Some(epochs) if !(1..=1 << 20).contains(&epochs) => {
                Err(("search.finals.epochs", "1 to 1048576", epochs.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The settings of a final whose training would have these.
    pub(crate) fn of(&self, retrain: &TrainSettings, rate: f64) -> TrainSettings {
        let mut settings = retrain.at_rate(rate);
        if let Some(epochs) = self.epochs {
            let moved = |epoch: usize| (epoch as f64 * epochs as f64 / retrain.epochs.max(1) as f64) as usize;
            settings.decay_epochs = retrain.decay_epochs.iter().map(|epoch| moved(*epoch)).collect();
            settings.negatives.from_epoch = moved(retrain.negatives.from_epoch);
            settings.negatives.mine_from_epoch = moved(retrain.negatives.mine_from_epoch);
            settings.epochs = epochs;
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::recipe::Recipe;
    use crate::recipe::finals::FinalSettings;

    #[test]
    fn candidates_out_of_range_and_of_a_strategy_without_alpha_are_told() {
        let recipe = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let told = |candidates: &str, strategy: &str| {
            let set = [
                format!("search.finals={{ networks = 2, candidates = {candidates} }}"),
                format!("search.strategy={strategy}"),
            ];
            Recipe::parse(recipe, Path::new("r.toml"), &set).err().map(|e| e.to_string()).unwrap_or_default()
        };
        let (gradient, sound) =
            ("{ kind = \"gradient\", mode = \"full\" }", "{ architectures = 9, samples = 9, temperature = 4.0 }");
        assert_eq!(told(sound, gradient), "");
        for (field, wrong) in [
            ("architectures", "{ architectures = 1, samples = 9, temperature = 4.0 }"),
            ("architectures", "{ architectures = 4097, samples = 9, temperature = 4.0 }"),
            ("samples", "{ architectures = 9, samples = 0, temperature = 4.0 }"),
            ("temperature", "{ architectures = 9, samples = 9, temperature = 0.5 }"),
            ("temperature", "{ architectures = 9, samples = 9, temperature = nan }"),
        ] {
            let error = told(wrong, gradient);
            assert!(error.contains(&format!("search.finals.candidates.{field}")), "{error}");
        }
        let error = told(sound, "{ kind = \"random\", candidates = 4, samples = 9 }");
        assert!(error.contains("search.finals.candidates") && error.contains("with alpha"), "{error}");
    }

    #[test]
    fn a_shorter_final_moves_what_happens_at_an_epoch() {
        let recipe = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let set = ["retrain.epochs=20", "retrain.decay_epochs=[14, 19]", "retrain.adam.lr=1e-3"].map(str::to_owned);
        let mut retrain = Recipe::parse(recipe, Path::new("r.toml"), &set).unwrap().retrain;
        (retrain.negatives.from_epoch, retrain.negatives.mine_from_epoch) = (19, 10);
        let settings = FinalSettings { networks: 1, rates: vec![0.5], epochs: Some(5), candidates: None };
        let own = settings.of(&retrain, 0.5);
        assert_eq!((own.epochs, own.decay_epochs.as_slice(), own.adam.lr), (5, &[3, 4][..], 5e-4));
        // So each still has its turn.
        assert_eq!((own.negatives.from_epoch, own.negatives.mine_from_epoch), (4, 2));
        assert_eq!(FinalSettings { epochs: None, ..settings }.of(&retrain, 1.0), retrain);
    }
}
