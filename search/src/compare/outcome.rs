//! Results of one contender with one seed, and the rows of a comparison's table.

use mmnas_bundle::Architecture;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::compare::statistics::mean_and_deviation;
use crate::train::finals::Finals;

/// Results of one contender with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub contender: String,
    /// The seed.
    pub seed: u64,
    /// The architecture that it trained.
    pub architecture: Architecture,
    /// Best score of the retrained architecture on the validation part, 0 to 1.
    pub validation: f64,
    /// The metrics behind the score, by name, of the same epoch.
    pub metrics: BTreeMap<String, f64>,
    /// Number of trained parameters of the retrained network.
    pub parameters: u64,
    /// H of the retrained network.
    pub hidden: usize,
    /// Seconds of search, 0 for a baseline without one.
    pub search_seconds: f64,
    /// Seconds of retraining.
    pub retrain_seconds: f64,
    /// Learning rate of the retraining; records from before it was noted have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The finals that decided, if there were some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finals: Option<Finals>,
    /// Predicted milliseconds of the part that a time limit is for, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The contender.
    pub contender: String,
    /// Number of seeds.
    pub seeds: usize,
    /// Mean of the validation scores, 0 to 1.
    pub mean: f64,
    /// Deviation of the scores, n − 1 in the denominator; 0 for a single seed.
    pub deviation: f64,
    /// Mean seconds of search.
    pub search_seconds: f64,
    /// Mean seconds of retraining.
    pub retrain_seconds: f64,
    /// Mean number of trained parameters.
    pub parameters: f64,
    /// Mean of the predicted milliseconds, if there was a time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
}

/// A row for each contender, in the order of their first outcomes.
pub fn summaries(outcomes: &[Outcome]) -> Vec<Summary> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.contender.as_str()) {
            names.push(&outcome.contender);
        }
    }
    let summary = |name: &&str| {
        let own: Vec<&Outcome> = outcomes.iter().filter(|o| o.contender == **name).collect();
        let mean = |value: fn(&Outcome) -> f64| mean_and_deviation(&own.iter().map(|o| value(o)).collect::<Vec<_>>());
        let (score, deviation) = mean(|o| o.validation);
        Summary {
            contender: (*name).to_owned(),
            seeds: own.len(),
            mean: score,
            deviation,
            search_seconds: mean(|o| o.search_seconds).0,
            retrain_seconds: mean(|o| o.retrain_seconds).0,
            parameters: mean(|o| o.parameters as f64).0,
            milliseconds: own.iter().map(|o| o.milliseconds).sum::<Option<f64>>().map(|ms| ms / own.len() as f64),
        }
    };
    names.iter().map(summary).collect()
}
