//! How well a supernet ranks: the accuracy of architectures with its shared weights beside what they reach alone.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Contender, folder, kendall_tau, recipe_of, retrained, spearman_rho};
use crate::recipe::Recipe;
use crate::task::Task;
use crate::{Result, RunFolder, rng, search};

/// Scores of some architectures of the space, on the validation part, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The architectures, drawn uniformly.
    pub architectures: Vec<String>,
    /// With the supernet's shared weights.
    pub shared: Vec<f64>,
    /// Trained from scratch.
    pub alone: Vec<f64>,
    /// Kendall's tau-b of the two.
    pub kendall_tau: f64,
    /// Spearman's rho of the two.
    pub spearman_rho: f64,
}

/// Draws `count` different architectures, scores them with the supernet that the contender's search in `out` trained, and
/// trains each from scratch, at the recipe's H.
pub fn rank_supernet<T: Task>(
    recipe: &Recipe,
    task: &mut T,
    contender: &Contender,
    (count, seed): (usize, u64),
    out: &Path,
    progress: bool,
) -> Result<Ranking> {
    let recipe = recipe_of(recipe, contender, seed);
    task.data_mut().set_sight(recipe.model.sees);
    let task = &*task;
    let folder = folder(out, contender, seed);
    let space = recipe.space()?;
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
    let shared = search::shared_scores(&recipe, task, &run, &drawn)?;
    let (mut architectures, mut alone) = (Vec::new(), Vec::new());
    for (number, choices) in drawn.iter().enumerate() {
        let architecture = space.architecture(choices);
        let folder = folder.join(format!("ranked-{number:02}"));
        alone.push(retrained(&recipe, task, &architecture, &folder, progress)?.validation);
        architectures.push(architecture.to_string());
    }
    let (kendall_tau, spearman_rho) = (kendall_tau(&shared, &alone), spearman_rho(&shared, &alone));
    Ok(Ranking { architectures, shared, alone, kendall_tau, spearman_rho })
}
