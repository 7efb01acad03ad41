//! Strategies and baselines side by side: the same data, the same seeds, the same budget (`mmnas-search compare`).

mod contender;
mod equal;
mod ranking;
mod record;
mod statistics;

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::Architecture;
use serde::{Deserialize, Serialize};

pub use contender::Contender;
pub use ranking::{Ranking, rank_supernet};
pub use record::{Comparison, Difference};
pub use statistics::{kendall_tau, mean_and_deviation, spearman_rho};

use crate::recipe::Recipe;
use crate::task::Task;
use crate::{Result, RunFolder, retrain, search};

/// What one contender reached with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub contender: String,
    /// The seed.
    pub seed: u64,
    /// What it trained.
    pub architecture: Architecture,
    /// Best score of the retrained architecture on the validation part, 0 to 1.
    pub validation: f64,
    /// The figures behind the score, by name, of the same epoch.
    pub metrics: BTreeMap<String, f64>,
    /// Number of trained numbers of the retrained network.
    pub parameters: u64,
    /// H of the retrained network.
    pub hidden: usize,
    /// Seconds of search, 0 for a baseline without one.
    pub search_seconds: f64,
    /// Seconds of retraining.
    pub retrain_seconds: f64,
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
    /// Their deviation, n − 1 in the denominator; 0 for a single seed.
    pub deviation: f64,
    /// Mean seconds of search.
    pub search_seconds: f64,
    /// Mean seconds of retraining.
    pub retrain_seconds: f64,
    /// Mean number of trained numbers.
    pub parameters: f64,
}

fn seconds(records: &[crate::EpochRecord]) -> f64 {
    records.iter().map(|r| r.seconds).sum()
}

/// The recipe of a contender's runs.
fn recipe_of(recipe: &Recipe, contender: &Contender, seed: u64) -> Recipe {
    let mut recipe = Recipe { seed, ..recipe.clone() };
    match contender {
        Contender::Search { strategy, .. } => recipe.search.strategy = strategy.clone(),
        Contender::Blind { sees, .. } => recipe.model.sees = *sees,
        _ => {}
    }
    recipe
}

/// The folder of a contender's runs with one seed.
fn folder(out: &Path, contender: &Contender, seed: u64) -> std::path::PathBuf {
    out.join(contender.folder_name()).join(format!("seed-{seed}"))
}

/// What holds for all runs of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Folder of the runs.
    pub out: &'a Path,
    /// The number of parameters that every retrained network is given, as nearly as its width allows; none: the recipe's H.
    pub parameters: Option<u64>,
    /// Whether progress is shown.
    pub progress: bool,
}

/// Makes a contender's runs with one seed this process's own as long as the answer lives; those that another process is at are
/// [`Error::RunBusy`](crate::Error::RunBusy).
pub fn claim(out: &Path, contender: &Contender, seed: u64) -> Result<RunFolder> {
    RunFolder::claim(&folder(out, contender, seed))
}

/// Searches, where the contender does, and retrains what it stands for. Runs that lie there already are gone on with. The
/// task's data shows what the contender may see from then on. Where other processes are at the comparison too, [`claim`] comes first.
pub fn run_contender<T: Task>(
    recipe: &Recipe,
    task: &mut T,
    contender: &Contender,
    seed: u64,
    rules: Rules<'_>,
) -> Result<Outcome> {
    let Rules { out, parameters, progress } = rules;
    let recipe = recipe_of(recipe, contender, seed);
    task.data_mut().set_sight(recipe.model.sees);
    let task = &*task;
    let folder = folder(out, contender, seed);
    let (architecture, search_seconds) = match contender {
        Contender::Search { .. } => {
            let run = RunFolder::open(&folder.join("search"), &recipe, &task.data().run_inputs(T::NAME, None), true)?;
            let found = search::search(&recipe, task, &run, progress, None)?;
            (found.architecture, seconds(&found.records))
        }
        _ => (contender.architecture(&recipe)?, 0.0),
    };
    let recipe = match parameters {
        Some(parameters) => equal::of_equal_size(&recipe, task, &architecture, parameters)?,
        None => recipe,
    };
    let trained = retrained(&recipe, task, &architecture, &folder.join("retrain"), progress)?;
    Ok(Outcome {
        contender: contender.to_string(),
        seed,
        architecture,
        validation: trained.validation,
        metrics: trained.metrics,
        parameters: trained.parameters,
        hidden: recipe.retrain.hidden,
        search_seconds,
        retrain_seconds: seconds(&trained.records),
    })
}

fn retrained<T: Task>(
    recipe: &Recipe,
    task: &T,
    architecture: &Architecture,
    folder: &Path,
    progress: bool,
) -> Result<retrain::RetrainResult> {
    let inputs = task.data().run_inputs(T::NAME, Some(architecture));
    retrain::retrain(recipe, architecture, task, &RunFolder::open(folder, recipe, &inputs, true)?, progress, None)
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
        }
    };
    names.iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_summed_up_by_contender() {
        let outcome = |contender: &str, seed, validation| Outcome {
            contender: contender.to_owned(),
            seed,
            architecture: Architecture { encoder: Vec::new(), decoder: Vec::new() },
            validation,
            metrics: BTreeMap::new(),
            parameters: 10,
            hidden: 8,
            search_seconds: 2.0,
            retrain_seconds: 3.0,
        };
        let rows = summaries(&[outcome("darts", 1, 0.5), outcome("mcan:2", 1, 0.4), outcome("darts", 2, 0.7)]);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].contender.as_str(), rows[0].seeds), ("darts", 2));
        assert!((rows[0].mean - 0.6).abs() < 1e-12 && (rows[0].deviation - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!((rows[1].mean, rows[1].deviation), (0.4, 0.0));
    }
}
