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
    /// Networks that take part, 1 to 16: those that the search ranks first.
    pub networks: usize,
    /// Factors on the learning rate of `retrain`, above 0 to 1000: each network is trained with each.
    #[serde(default = "as_it_is")]
    pub rates: Vec<f64>,
    /// Epochs of a final, 1 to 1048576; none: those of `retrain`.
    ///
    /// `decay_epochs` and the first epochs of negatives move in proportion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
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
    fn a_shorter_final_moves_what_happens_at_an_epoch() {
        let recipe = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let set = ["retrain.epochs=20", "retrain.decay_epochs=[14, 19]", "retrain.adam.lr=1e-3"].map(str::to_owned);
        let mut retrain = Recipe::parse(recipe, Path::new("r.toml"), &set).unwrap().retrain;
        (retrain.negatives.from_epoch, retrain.negatives.mine_from_epoch) = (19, 10);
        let settings = FinalSettings { networks: 1, rates: vec![0.5], epochs: Some(5) };
        let own = settings.of(&retrain, 0.5);
        assert_eq!((own.epochs, own.decay_epochs.as_slice(), own.adam.lr), (5, &[3, 4][..], 5e-4));
        // So each still has its turn.
        assert_eq!((own.negatives.from_epoch, own.negatives.mine_from_epoch), (4, 2));
        assert_eq!(FinalSettings { epochs: None, ..settings }.of(&retrain, 1.0), retrain);
    }
}
