//! Trains drawn architectures alone and ranks them by the supernets that searches trained.

use mmnas_bundle::rank_correlation::spearman_rho;

use crate::compare::contender::Contender;
use crate::compare::ranking::Ranking;
use crate::compare::runs::{Rules, folder, random_choices, recipe_of, retrained, search_run};
use crate::compare::statistics::kendall_tau;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::task::Task;
use crate::train::shared_scorer::shared_scores;

/// Ranks `count` different drawn architectures with a contender's supernet and by training alone.
///
/// The supernet is the one that the contender's search with `seed` in `out` trained. Each
/// architecture is also trained from scratch, at the recipe's H, once for all contenders. Within a
/// time limit all of them take nearly as long.
///
/// # Errors
///
/// Those of [`crate::run::folder::RunFolder::open`] and
/// [`retrain`](crate::train::retrain::retrain).
/// [`Error::Contender`] if the space has fewer than two architectures to rank.
/// [`Error::Checkpoint`] or [`Error::Bundle`] if the search's supernet cannot be read.
pub fn rank_supernet<T: Task>(
    recipe: &Recipe,
    task: &mut T,
    contender: &Contender,
    (count, seed): (usize, u64),
    rules: Rules<'_>,
) -> Result<Ranking> {
    let Rules { out, pool, .. } = rules;
    let base = Recipe { seed, ..recipe.clone() };
    task.data_mut().set_modalities(base.model.modalities);
    let task = &*task;
    let space = base.open_space(pool)?;
    let mut drawn: Vec<Vec<usize>> = Vec::new();
    // A space with fewer members than asked for gives those that it has.
    for number in 0..100 * count as u64 {
        if drawn.len() == count {
            break;
        }
        let choices = random_choices(&base, rules, "ranked architectures", number)?;
        if !drawn.contains(&choices) {
            drawn.push(choices);
        }
    }
    if drawn.len() < 2 {
        let names = "a space with two architectures or more, of nine tenths of the time or more".to_owned();
        return Err(Error::Contender { found: format!("--ranking: {}", drawn.len()), names });
    }
    let own = recipe_of(recipe, contender, seed);
    let (run, own, _) = search_run(&own, task, &folder(out, contender, seed).join("search"), rules)?;
    let shared = shared_scores(&own, pool, task, &run, &drawn)?;
    let (mut architectures, mut alone) = (Vec::new(), Vec::new());
    for (number, choices) in drawn.iter().enumerate() {
        let architecture = space.architecture(choices);
        let folder = out.join("ranked").join(format!("seed-{seed}")).join(format!("{number:02}"));
        alone.push(retrained(&base, task, &architecture, &folder, rules)?.validation);
        architectures.push(architecture.to_string());
    }
    let (kendall_tau, spearman_rho) = (kendall_tau(&shared, &alone), spearman_rho(&shared, &alone));
    Ok(Ranking { contender: contender.to_string(), seed, architectures, shared, alone, kendall_tau, spearman_rho })
}
