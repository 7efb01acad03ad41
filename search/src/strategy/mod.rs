//! Search strategies: they choose paths to train, update alpha and derive an architecture.
//!
//! One file each, behind one trait with a saved state. The space, the supernet and the loop do not
//! depend on them.

pub mod alpha;
pub mod darts_gumbel;
pub mod decision;
pub mod diagnostics;
pub mod differentiable;
pub mod evolution;
pub mod fixed;
pub mod gradient;

pub mod random;
pub mod single_path_one_shot;
#[cfg(test)]
mod tests;

use crate::recipe::Recipe;
use crate::recipe::strategy::StrategySettings;
use crate::space::search_space::Space;
use crate::strategy::decision::{Bounds, Strategy};
use crate::strategy::differentiable::Differentiable;
use crate::strategy::single_path_one_shot::SinglePathOneShot;

/// The strategy that a recipe asks for, which keeps `bounds` if there are some.
pub fn build(recipe: &Recipe, space: &Space, device: tch::Device, bounds: Option<Bounds>) -> Box<dyn Strategy> {
    let seed = recipe.seed;
    match &recipe.search.strategy {
        StrategySettings::Gradient { mode } => {
            let gradient =
                crate::strategy::gradient::Gradient { mode: *mode, every: recipe.search.alpha_every, seed, device };
            Box::new(Differentiable::new(gradient, recipe, space, bounds))
        }
        StrategySettings::Darts {} => Box::new(Differentiable::new(
            crate::strategy::darts_gumbel::Mixture { temperature: None, seed, device },
            recipe,
            space,
            bounds,
        )),
        StrategySettings::Gumbel { temperature } => {
            let mixture = crate::strategy::darts_gumbel::Mixture { temperature: Some(*temperature), seed, device };
            Box::new(Differentiable::new(mixture, recipe, space, bounds))
        }
        StrategySettings::Random { candidates, samples, sampling } => Box::new(SinglePathOneShot::new(
            crate::strategy::random::Random { candidates: *candidates },
            (*sampling, *samples),
            (space, bounds),
            (seed, recipe.search.weights.accumulate),
        )),
        StrategySettings::Evolution { population, generations, mutation, samples, sampling } => {
            let (population, generations, mutation) = (*population, *generations, *mutation);
            let breeding = crate::strategy::evolution::Evolution { population, generations, mutation };
            let draws = (seed, recipe.search.weights.accumulate);
            Box::new(SinglePathOneShot::new(breeding, (*sampling, *samples), (space, bounds), draws))
        }
        StrategySettings::Fixed { .. } => Box::new(crate::strategy::fixed::Fixed::new(space)),
    }
}
