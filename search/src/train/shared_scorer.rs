//! Scores of architectures with the weights that they share in a trained supernet.

use crate::data::split::Splits;
use crate::error::{Error, Result};
use crate::model::network::Network;
use crate::nn::tensors::Checkpoint;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::run::folder::RunFolder;
use crate::space::arch_path::ArchPath;
use crate::task::Task;
use crate::train::search::{prepare, samples_to_compare};
use crate::train::trainer::{Learner, evaluate};

/// A trained supernet and the samples to score architectures on.
#[derive(Debug)]
pub struct SharedScorer<'a, T> {
    pub(crate) task: &'a T,
    pub(crate) network: Network,
    /// The alpha part in the order in which it is cut to a number of samples.
    pub to_compare: Vec<usize>,
    /// The validation part.
    pub validation: Vec<usize>,
    /// Samples that are run at once.
    pub(crate) batch: usize,
}

impl<T: Task> SharedScorer<'_, T> {
    /// The score, 0 to 1, of one operation a block on `samples`.
    ///
    /// # Errors
    /// Features that cannot be read.
    pub fn score(&self, choices: &[usize], samples: &[usize]) -> Result<f64> {
        Ok(evaluate(self.task, (&self.network, &ArchPath::single(choices)), samples, self.batch)?.score)
    }
}

/// Opens the supernet that the search in `run` has trained, to score architectures with it.
///
/// # Errors
/// A checkpoint that is missing, does not fit, or is of a search that has not ended.
pub fn shared_scorer<'a, T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    task: &'a T,
    run: &RunFolder,
) -> Result<SharedScorer<'a, T>> {
    let parts = Splits::for_search(task.data(), recipe)?;
    let mut learner = prepare(recipe, (recipe.space(pool)?, None), task, &parts)?;
    let file = run.checkpoint();
    let checkpoint: Checkpoint<serde_json::Value> = Checkpoint::load(&file)?;
    if checkpoint.state["concluded"] != true {
        let (field, expected) = ("concluded".to_owned(), "a search that has ended".to_owned());
        let found = format!("one at epoch {}, which search --resume goes on with", checkpoint.state["next"]["epoch"]);
        return Err(Error::Checkpoint { file, field, expected, found });
    }
    Learner::<T>::load(&mut learner, &checkpoint.tensors, &file)?;
    let network = learner.network;
    let to_compare = samples_to_compare(&parts.alpha, recipe.seed);
    let batch = recipe.search.weights.evaluated_at_once();
    Ok(SharedScorer { task, network, to_compare, validation: parts.validation, batch })
}

/// Scores, 0 to 1, of architectures with the weights that a search has trained.
///
/// The search lies in `run`. The scores are on the validation part; an architecture is one
/// operation per block.
///
/// # Errors
/// A checkpoint that is missing or does not fit, features that cannot be read.
pub fn shared_scores<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    task: &T,
    run: &RunFolder,
    architectures: &[Vec<usize>],
) -> Result<Vec<f64>> {
    let scorer = shared_scorer(recipe, pool, task, run)?;
    architectures.iter().map(|choices| scorer.score(choices, &scorer.validation)).collect()
}
