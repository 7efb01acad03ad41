//! Strategies: what decides which paths train, what becomes of alpha, and which architecture is derived. One file each,
//! behind one trait with a saved state; the space, the supernet and the loop know nothing of them.

mod by_alpha;
mod evolution;
mod fixed;
mod gradient;
mod mixture;
mod one_shot;
mod random;

use by_alpha::ByAlpha;
use one_shot::OneShot;
use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::{Path, Result, SamplingMode, Space, TensorMap};

/// A strategy and its constants, as a recipe names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StrategySettings {
    /// The paper's: sampled paths train the weights, gates the alphas (MMnas, section 3.3; ProxylessNAS).
    Gradient {
        /// How many operations of a block an architecture step runs.
        mode: SamplingMode,
    },
    /// DARTS, first order: every block is the mixture of its operations by softmax(alpha).
    Darts {},
    /// Gumbel-softmax (SNAS): as DARTS, with noise, and a temperature that falls over the run.
    Gumbel {
        /// Temperature at the first and at the last step; it falls geometrically.
        temperature: (f64, f64),
    },
    /// Random search with weight sharing: uniform paths train the weights, then random architectures are compared.
    Random {
        /// How many architectures are compared.
        candidates: usize,
        /// On how many samples of the alpha part, at most.
        samples: usize,
    },
    /// Regularised evolution over the trained supernet: uniform paths train the weights, then generations are bred.
    Evolution {
        /// Architectures of a generation.
        population: usize,
        /// Generations after the first, random one.
        generations: usize,
        /// Probability that a block of a child is drawn anew.
        mutation: f64,
        /// Compared on this many samples of the alpha part, at most.
        samples: usize,
    },
    /// No search: one architecture is the space's only member.
    Fixed {
        /// Name of a preset.
        architecture: String,
    },
}

/// Where a run stands, for strategies that change over it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Weight steps since the start.
    pub step: u64,
    /// Weight steps of the whole run.
    pub of: u64,
}

/// Runs the supernet along a path on a batch of the alpha part; gives the gradients of the path's gates.
pub type GateGradients<'a> = dyn FnMut(&Path) -> Result<Vec<tch::Tensor>> + 'a;

/// The score, 0 to 1, of an architecture, one operation a block, with shared weights on samples of the alpha part.
pub type SharedScore<'a> = dyn FnMut(&[usize], usize) -> Result<f64> + 'a;

/// A search strategy. Random decisions are drawn from the run's seed and the step, so that a state is enough to resume.
pub trait Strategy: std::fmt::Debug {
    /// Its name for logs.
    fn name(&self) -> String;

    /// A path to train weights on, or to score negatives with. What is drawn is drawn for `purpose` at the clock's step.
    fn path(&self, clock: Clock, purpose: &str) -> Path;

    /// Learns from a batch of the alpha part.
    fn architecture_step(&mut self, _clock: Clock, _gradients: &mut GateGradients<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether it has any use for architecture steps.
    fn learns_alpha(&self) -> bool {
        false
    }

    /// Decides after the last step, where steps alone do not.
    fn conclude(&mut self, _score: &mut SharedScore<'_>) -> Result<()> {
        Ok(())
    }

    /// The architecture that it would derive now, one operation a block.
    fn best(&self) -> Vec<usize>;

    /// What it thinks of each operation of each block: numbers from 0 to 1 that sum to 1 in a block.
    fn probabilities(&self) -> Vec<Vec<f64>>;

    /// Adds its state to a checkpoint.
    fn save(&self, into: &mut TensorMap);

    /// Reads what [`Strategy::save`] wrote; where it does not fit, an error, the name of the tensor.
    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String>;
}

/// The strategy that a recipe asks for.
pub fn build(recipe: &Recipe, space: &Space, device: tch::Device) -> Box<dyn Strategy> {
    let seed = recipe.seed;
    match &recipe.search.strategy {
        StrategySettings::Gradient { mode } => {
            let gradient = gradient::Gradient { mode: *mode, every: recipe.search.alpha_every, seed, device };
            Box::new(ByAlpha::new(gradient, recipe, space))
        }
        StrategySettings::Darts {} => {
            Box::new(ByAlpha::new(mixture::Mixture { temperature: None, seed, device }, recipe, space))
        }
        StrategySettings::Gumbel { temperature } => {
            let mixture = mixture::Mixture { temperature: Some(*temperature), seed, device };
            Box::new(ByAlpha::new(mixture, recipe, space))
        }
        StrategySettings::Random { candidates, samples } => {
            Box::new(OneShot::new(random::Random { candidates: *candidates }, *samples, space, seed))
        }
        StrategySettings::Evolution { population, generations, mutation, samples } => {
            let (population, generations, mutation) = (*population, *generations, *mutation);
            let breeding = evolution::Evolution { population, generations, mutation };
            Box::new(OneShot::new(breeding, *samples, space, seed))
        }
        StrategySettings::Fixed { .. } => Box::new(fixed::Fixed::new(space)),
    }
}

/// `1` for the chosen operation of a block and 0 for the others.
fn one_hot(space: &Space, best: &[usize]) -> Vec<Vec<f64>> {
    let row = |(operations, &best): (usize, &usize)| (0..operations).map(|k| f64::from(u8::from(k == best))).collect();
    space.blocks().map(<[_]>::len).zip(best).map(row).collect()
}

/// Choices of the blocks as a tensor of a checkpoint.
pub(crate) fn choices_tensor(choices: &[usize]) -> tch::Tensor {
    tch::Tensor::from_slice(&choices.iter().map(|&k| k as i64).collect::<Vec<_>>())
}

/// Choices that fit the space.
pub(crate) fn choices_from(space: &Space, key: &str, from: &TensorMap) -> std::result::Result<Vec<usize>, String> {
    let tensor = from.get(key).filter(|t| t.kind() == tch::Kind::Int64).ok_or(key)?;
    let values = Vec::<i64>::try_from(tensor).map_err(|_| key)?;
    let fits =
        values.len() == space.len() && values.iter().zip(space.blocks()).all(|(&k, ops)| (k as usize) < ops.len());
    if fits { Ok(values.into_iter().map(|k| k as usize).collect()) } else { Err(key.to_owned()) }
}

#[cfg(test)]
mod tests;
