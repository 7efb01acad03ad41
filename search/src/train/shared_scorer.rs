//! Scores of architectures with the weights that they share in a trained supernet.

use rand::seq::SliceRandom;

use crate::error::Result;
use crate::model::network::Network;
use crate::seed::rng;
use crate::space::arch_path::ArchPath;
use crate::task::Task;
use crate::train::trainer::evaluate;

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

/// The samples of the alpha part `part` in the order in which architectures are compared on them.
pub(crate) fn samples_to_compare(part: &[usize], seed: u64) -> Vec<usize> {
    let mut samples = part.to_vec();
    samples.shuffle(&mut rng(seed, "samples to compare on", 0));
    samples
}
