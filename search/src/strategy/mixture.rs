use rand::RngExt as _;

use super::{Clock, GateGradients, Strategy, add_cost, alpha_start, costs};
use crate::recipe::Recipe;
use crate::{AdamSettings, Alpha, Choice, Path, Result, SamplingMode, Space, TensorMap, rng};

/// DARTS (first order) and Gumbel-softmax: every block gives the weighted sum of all its operations.
#[derive(Debug)]
pub(super) struct Mixture {
    alpha: Alpha,
    costs: Option<Vec<Vec<f64>>>,
    /// Temperature at the first and the last step of Gumbel-softmax; none for DARTS.
    temperature: Option<(f64, f64)>,
    adam: AdamSettings,
    seed: u64,
    device: tch::Device,
}

/// `softmax((alpha + noise) / temperature)` of one block.
fn softmax(alpha: &[f32], noise: impl FnMut() -> f64, temperature: f64) -> Vec<f64> {
    let mut noise = noise;
    let logits: Vec<f64> = alpha.iter().map(|&a| (f64::from(a) + noise()) / temperature).collect();
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.iter().map(|l| (l - highest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

impl Mixture {
    pub(super) fn new(recipe: &Recipe, temperature: Option<(f64, f64)>, space: &Space, device: tch::Device) -> Mixture {
        let alpha = Alpha::start(space, alpha_start(recipe));
        let costs = costs(recipe, space);
        Mixture { alpha, costs, temperature, adam: recipe.search.alpha, seed: recipe.seed, device }
    }

    fn temperature(&self, clock: Clock) -> f64 {
        let share = clock.step as f64 / clock.of.max(1) as f64;
        self.temperature.map_or(1.0, |(first, last)| first * (last / first).powf(share.min(1.0)))
    }

    /// The weights of the blocks' operations at a step.
    fn weights(&self, purpose: &str, clock: Clock) -> Vec<Vec<f64>> {
        let mut rng = rng(self.seed, purpose, clock.step);
        let mut gumbel = || -(-rng.random::<f64>().max(f64::MIN_POSITIVE).ln()).max(f64::MIN_POSITIVE).ln();
        let temperature = self.temperature(clock);
        let noisy = self.temperature.is_some();
        let block = |alpha: Vec<f32>| softmax(&alpha, || if noisy { gumbel() } else { 0.0 }, temperature);
        self.alpha.values().into_iter().map(block).collect()
    }

    fn mixture(&self, weights: &[Vec<f64>], with_gradient: bool) -> Path {
        Path(weights.iter().map(|w| Choice::mixed(w, with_gradient, self.device)).collect())
    }
}

impl Strategy for Mixture {
    fn name(&self) -> String {
        if self.temperature.is_some() { "gumbel" } else { "darts" }.to_owned()
    }

    fn path(&self, clock: Clock, purpose: &str) -> Path {
        self.mixture(&self.weights(purpose, clock), false)
    }

    fn architecture_step(&mut self, clock: Clock, gradients: &mut GateGradients<'_>) -> Result<()> {
        let weights = self.weights("alpha path", clock);
        let path = self.mixture(&weights, true);
        let gradients = gradients(&path)?;
        let mut gradients = self.alpha.mixture_gradients(&weights, &gradients, self.temperature(clock));
        add_cost(self.costs.as_deref(), &self.alpha, &mut gradients);
        self.alpha.step(&path, gradients, self.adam, SamplingMode::Full);
        Ok(())
    }

    fn learns_alpha(&self) -> bool {
        true
    }

    fn best(&self) -> Vec<usize> {
        self.alpha.best()
    }

    fn probabilities(&self) -> Vec<Vec<f64>> {
        self.alpha.probabilities()
    }

    fn save(&self, into: &mut TensorMap) {
        self.alpha.save(into);
    }

    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String> {
        self.alpha.load(from)
    }
}
