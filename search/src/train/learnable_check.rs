//! Checks, before a run's folder is written, that it has something to learn from.
//!
//! So a training that learns nothing is reported at once and not after hours.

use crate::data::learnable::RunParts;
use crate::data::split::Splits;
use crate::error::Result;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::task::Task;

/// Kind of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A search, which trains weights on one part and alpha on another.
    Search,
    /// The training of one architecture, on both parts together.
    Retraining,
}

/// Checks the samples of the recipe's parts and some of their images.
///
/// It gives notes worth knowing before a run, a line each. Nothing that the run computes depends on
/// it.
///
/// # Errors
/// Data that nothing can be learnt from:
///
/// - the same features in all images;
/// - no phrase with a region that it can mean;
/// - no answer that is a label;
/// - one caption for all images;
/// - texts without a known word.
///
/// Parts without samples; features that cannot be read; for a search, a space that cannot be built.
pub fn check<T: Task>(recipe: &Recipe, pool: &Pool, task: &T, kind: RunKind) -> Result<Vec<String>> {
    let parts = match kind {
        RunKind::Search => Splits::for_search(task.data(), recipe)?,
        RunKind::Retraining => Splits::for_training(task.data(), recipe)?,
    };
    let both = [parts.weights.as_slice(), parts.alpha.as_slice()].concat();
    let apart = [parts.weights.as_slice(), parts.alpha.as_slice()];
    let together = [both.as_slice()];
    let training: &[&[usize]] = if kind == RunKind::Search { &apart } else { &together };
    let run = RunParts { training, validation: &parts.validation };
    let seen = task.data().look_at_images(both.iter().copied())?;
    let mut told = task.data().learnable(&seen)?;
    told.extend(task.learnable(&run, &seen)?);
    if kind == RunKind::Search {
        told.extend(nothing_to_choose(recipe, pool)?);
    }
    Ok(told)
}

/// Why alpha of a search cannot move.
fn nothing_to_choose(recipe: &Recipe, pool: &Pool) -> Result<Option<String>> {
    if recipe.space(pool)?.blocks().all(|candidates| candidates.len() == 1) {
        return Ok(Some("every block of the space has one candidate: there is nothing to search".to_owned()));
    }
    let moves = recipe.search.alpha.lr > 0.0;
    Ok((!moves).then(|| "search.alpha.lr is 0: alpha never moves, and what is found is chance".to_owned()))
}
