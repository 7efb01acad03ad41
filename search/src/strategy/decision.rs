//! The trait of search strategies, and what they are given.

use rand::RngExt as _;

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::space::arch_path::ArchPath;
use crate::space::knapsack::Knapsack;
use crate::space::search_space::Space;

/// Limits that a search keeps.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The space within the limits.
    pub knapsack: Knapsack,
    /// Loss of an architecture step for an expectation twice the limit.
    pub weight: f64,
}

/// How often an architecture is drawn anew before one that fits is made.
const DRAWS: usize = 1000;

/// Draws an architecture of the space, one operation a block, within the limits if there are some.
///
/// Without limits it is uniform. With them it is uniform among those that fit, unless these are so
/// rare that a thousand draws meet none. Then it is the best one by random scores.
pub(crate) fn draw(space: &Space, bounds: Option<&Bounds>, rng: &mut impl rand::Rng) -> Vec<usize> {
    let Some(Bounds { knapsack, .. }) = bounds else { return space.draw(rng) };
    let mut draws = (0..DRAWS).map(|_| space.draw(rng));
    if let Some(fitting) = draws.find(|choices| knapsack.fits(choices)) {
        return fitting;
    }
    let scores: Vec<Vec<f64>> =
        space.blocks().map(|block| block.iter().map(|_| rng.random::<f64>()).collect()).collect();
    knapsack.best(&scores).choices
}

/// Progress of a run, for strategies that change over it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Weight steps since the start.
    pub step: u64,
    /// Weight steps of the whole run.
    pub of: u64,
}

/// Gradients of a path's gates on a batch of the alpha part.
///
/// Calling it runs the supernet along the path.
pub type GateGradients<'a> = dyn FnMut(&ArchPath) -> Result<Vec<tch::Tensor>> + 'a;

/// Score, 0 to 1, of an architecture with shared weights.
///
/// Its arguments are one operation a block and the number of samples of the alpha part.
pub type SharedScore<'a> = dyn FnMut(&[usize], usize) -> Result<f64> + 'a;

/// A search strategy.
///
/// Random decisions are drawn from the run's seed and the step, so that a state is enough to
/// resume.
pub trait Strategy: std::fmt::Debug {
    /// Its name for logs.
    fn name(&self) -> String;

    /// A path to train weights on, or to score negatives with.
    ///
    /// Random choices are drawn for `purpose` at the schedule's step.
    fn path(&self, schedule: Schedule, purpose: &str) -> ArchPath;

    /// The paths of a weight step, for its `parts` in turn.
    fn weight_paths(&self, schedule: Schedule, _parts: usize) -> Vec<ArchPath> {
        vec![self.path(schedule, "weight path")]
    }

    /// Learns from a batch of the alpha part.
    ///
    /// # Errors
    ///
    /// Those of `_gradients`.
    fn architecture_step(&mut self, _schedule: Schedule, _gradients: &mut GateGradients<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether it uses architecture steps.
    fn learns_alpha(&self) -> bool {
        false
    }

    /// Decides after the last step, for strategies that steps alone do not decide.
    ///
    /// # Errors
    ///
    /// Those of `_score`.
    fn conclude(&mut self, _score: &mut SharedScore<'_>) -> Result<()> {
        Ok(())
    }

    /// The architecture that it would derive now, one operation a block.
    fn best(&self) -> Vec<usize>;

    /// The architectures that it would derive, the best first.
    ///
    /// The first is [`Strategy::best`]; those that it compared, or all of the space.
    fn ranked(&self) -> Box<dyn Iterator<Item = Vec<usize>> + '_> {
        Box::new(std::iter::once(self.best()))
    }

    /// Probability of each operation of each block; they sum to 1 in a block.
    fn probabilities(&self) -> Vec<Vec<f64>>;

    /// Adds its state to a checkpoint.
    fn save(&self, into: &mut TensorMap);

    /// Reads what [`Strategy::save`] wrote.
    ///
    /// # Errors
    ///
    /// The name of the tensor that does not fit.
    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String>;
}

/// `1` for the chosen operation of a block and 0 for the others.
pub(crate) fn one_hot(space: &Space, best: &[usize]) -> Vec<Vec<f64>> {
    let row = |(operations, &best): (usize, &usize)| (0..operations).map(|k| f64::from(u8::from(k == best))).collect();
    space.blocks().map(<[_]>::len).zip(best).map(row).collect()
}

/// Choices of the blocks as a tensor for a checkpoint.
pub(crate) fn choices_tensor(choices: &[usize]) -> tch::Tensor {
    tch::Tensor::from_slice(&choices.iter().map(|&k| k as i64).collect::<Vec<_>>())
}

/// Choices of the blocks from a checkpoint; the error is `key`.
pub(crate) fn choices_from(space: &Space, key: &str, from: &TensorMap) -> std::result::Result<Vec<usize>, String> {
    let tensor = from.get(key).filter(|t| t.kind() == tch::Kind::Int64).ok_or(key)?;
    let values = Vec::<i64>::try_from(tensor).map_err(|_| key)?;
    let fits =
        values.len() == space.len() && values.iter().zip(space.blocks()).all(|(&k, ops)| (k as usize) < ops.len());
    if fits { Ok(values.into_iter().map(|k| k as usize).collect()) } else { Err(key.to_owned()) }
}
