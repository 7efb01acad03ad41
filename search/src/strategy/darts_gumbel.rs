//! DARTS and Gumbel-softmax: a block is a mixture of its operations.

use rand::RngExt as _;
use tch::Tensor;

use crate::error::Result;
use crate::seed::rng;
use crate::space::arch_path::{ArchPath, Choice};
use crate::strategy::alpha::Alpha;
use crate::strategy::decision::{GateGradients, Schedule};
use crate::strategy::differentiable::Estimator;

/// DARTS (first order) and Gumbel-softmax.
///
/// Every block gives the weighted sum of all its operations.
#[derive(Debug)]
pub(crate) struct Mixture {
    /// Temperature at the first and the last step of Gumbel-softmax; none for DARTS.
    pub temperature: Option<(f64, f64)>,
    pub seed: u64,
    pub device: tch::Device,
}

/// `softmax((alpha + noise) / temperature)` of one block.
fn softmax(alpha: &[f32], mut noise: impl FnMut() -> f64, temperature: f64) -> Vec<f64> {
    let logits: Vec<f64> = alpha.iter().map(|&a| (f64::from(a) + noise()) / temperature).collect();
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.iter().map(|l| (l - highest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

impl Mixture {
    fn temperature(&self, schedule: Schedule) -> f64 {
        let share = schedule.step as f64 / schedule.of.max(1) as f64;
        self.temperature.map_or(1.0, |(first, last)| first * (last / first).powf(share.min(1.0)))
    }

    /// The weights of the blocks' operations at a step.
    fn weights(&self, alpha: &Alpha, purpose: &str, schedule: Schedule) -> Vec<Vec<f64>> {
        let mut rng = rng(self.seed, purpose, schedule.step);
        let mut gumbel = || -(-rng.random::<f64>().max(f64::MIN_POSITIVE).ln()).max(f64::MIN_POSITIVE).ln();
        let temperature = self.temperature(schedule);
        let noisy = self.temperature.is_some();
        let block = |alpha: Vec<f32>| softmax(&alpha, || if noisy { gumbel() } else { 0.0 }, temperature);
        alpha.values().into_iter().map(block).collect()
    }

    fn mixture(&self, weights: &[Vec<f64>], with_gradient: bool) -> ArchPath {
        ArchPath(weights.iter().map(|w| Choice::mixed(w, with_gradient, self.device)).collect())
    }
}

impl Estimator for Mixture {
    fn name(&self) -> String {
        if self.temperature.is_some() { "gumbel" } else { "darts" }.to_owned()
    }

    fn path(&self, alpha: &Alpha, schedule: Schedule, purpose: &str) -> ArchPath {
        self.mixture(&self.weights(alpha, purpose, schedule), false)
    }

    fn gradients(
        &self,
        alpha: &Alpha,
        schedule: Schedule,
        of_gates: &mut GateGradients<'_>,
    ) -> Result<(ArchPath, Vec<Tensor>)> {
        let weights = self.weights(alpha, "alpha path", schedule);
        let path = self.mixture(&weights, true);
        let gradients = alpha.mixture_gradients(&weights, &of_gates(&path)?, self.temperature(schedule));
        Ok((path, gradients))
    }
}
