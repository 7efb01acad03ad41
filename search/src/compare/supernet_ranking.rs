//! Trains drawn architectures alone and ranks them by the supernet that a search trained.

use mmnas_bundle::rank_correlation::spearman_rho;

use crate::compare::contender::Contender;
use crate::compare::ranking::Ranking;
use crate::compare::runs::{Rules, folder, recipe_of, retrained};
use crate::compare::statistics::kendall_tau;
use crate::error::Result;
use crate::recipe::Recipe;
use crate::run::folder::RunFolder;
use crate::seed::rng;
use crate::task::Task;
use crate::train::search;

/// Ranks `count` different drawn architectures with a supernet and by training alone.
///
/// The supernet is the one that the contender's search in `out` trained. Each architecture is also
/// trained from scratch, at the recipe's H.
///
/// # Errors
///
/// Those of [`RunFolder::open`] and [`retrain`](crate::train::retrain::retrain).
/// [`Error::Checkpoint`](crate::error::Error::Checkpoint) or
/// [`Error::Bundle`](crate::error::Error::Bundle) if the search's supernet cannot be read.
pub fn rank_supernet<T: Task>(
    recipe: &Recipe,
    task: &mut T,
    contender: &Contender,
    (count, seed): (usize, u64),
    rules: Rules<'_>,
) -> Result<Ranking> {
    let Rules { out, pool, .. } = rules;
    let recipe = recipe_of(recipe, contender, seed);
    task.data_mut().set_modalities(recipe.model.modalities);
    let task = &*task;
    let folder = folder(out, contender, seed);
    let space = recipe.space(pool)?;
    let mut rng = rng(seed, "ranked architectures", 0);
    let mut drawn: Vec<Vec<usize>> = Vec::new();
    // A space with fewer members than asked for gives those that it has.
    for _ in 0..100 * count {
        let choices = space.draw(&mut rng);
        if drawn.len() < count && !drawn.contains(&choices) {
            drawn.push(choices);
        }
    }
    let run = RunFolder::open(&folder.join("search"), &recipe, &task.data().run_inputs(T::NAME, None), true)?;
    let shared = search::shared_scores(&recipe, pool, task, &run, &drawn)?;
    let (mut architectures, mut alone) = (Vec::new(), Vec::new());
    for (number, choices) in drawn.iter().enumerate() {
        let architecture = space.architecture(choices);
        let folder = folder.join(format!("ranked-{number:02}"));
        alone.push(retrained(&recipe, task, &architecture, &folder, rules)?.validation);
        architectures.push(architecture.to_string());
    }
    let (kendall_tau, spearman_rho) = (kendall_tau(&shared, &alone), spearman_rho(&shared, &alone));
    Ok(Ranking { architectures, shared, alone, kendall_tau, spearman_rho })
}
