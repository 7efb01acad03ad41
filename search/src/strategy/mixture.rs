//! DARTS and Gumbel-softmax: a block is a mixture of its operations.

use rand::RngExt as _;
use tch::Tensor;

use crate::error::Result;
use crate::seed::rng;
use crate::space::arch_path::{Choice, Path};
use crate::strategy::alpha::Alpha;
use crate::strategy::by_alpha::Estimator;
use crate::strategy::decision::{Clock, GateGradients};

/// DARTS (first order) and Gumbel-softmax: every block gives the weighted sum of all its operations.
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
    fn temperature(&self, clock: Clock) -> f64 {
        let share = clock.step as f64 / clock.of.max(1) as f64;
        self.temperature.map_or(1.0, |(first, last)| first * (last / first).powf(share.min(1.0)))
    }

    /// The weights of the blocks' operations at a step.
    fn weights(&self, alpha: &Alpha, purpose: &str, clock: Clock) -> Vec<Vec<f64>> {
        let mut rng = rng(self.seed, purpose, clock.step);
        let mut gumbel = || -(-rng.random::<f64>().max(f64::MIN_POSITIVE).ln()).max(f64::MIN_POSITIVE).ln();
        let temperature = self.temperature(clock);
        let noisy = self.temperature.is_some();
        let block = |alpha: Vec<f32>| softmax(&alpha, || if noisy { gumbel() } else { 0.0 }, temperature);
        alpha.values().into_iter().map(block).collect()
    }

    fn mixture(&self, weights: &[Vec<f64>], with_gradient: bool) -> Path {
        Path(weights.iter().map(|w| Choice::mixed(w, with_gradient, self.device)).collect())
    }
}

impl Estimator for Mixture {
    fn name(&self) -> String {
        if self.temperature.is_some() { "gumbel" } else { "darts" }.to_owned()
    }

    fn path(&self, alpha: &Alpha, clock: Clock, purpose: &str) -> Path {
        self.mixture(&self.weights(alpha, purpose, clock), false)
    }

    fn gradients(&self, alpha: &Alpha, clock: Clock, of_gates: &mut GateGradients<'_>) -> Result<(Path, Vec<Tensor>)> {
        let weights = self.weights(alpha, "alpha path", clock);
        let path = self.mixture(&weights, true);
        let gradients = alpha.mixture_gradients(&weights, &of_gates(&path)?, self.temperature(clock));
        Ok((path, gradients))
    }
}
