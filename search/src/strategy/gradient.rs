use super::{Clock, GateGradients, Strategy, add_cost, alpha_start, costs};
use crate::recipe::Recipe;
use crate::{AdamSettings, Alpha, Path, Result, SamplingMode, Space, TensorMap};

/// The paper's strategy: weight steps on paths sampled from softmax(alpha), architecture steps through gates.
#[derive(Debug)]
pub(super) struct Gradient {
    alpha: Alpha,
    costs: Option<Vec<Vec<f64>>>,
    mode: SamplingMode,
    adam: AdamSettings,
    every: u64,
    seed: u64,
    device: tch::Device,
}

impl Gradient {
    pub(super) fn new(recipe: &Recipe, mode: SamplingMode, space: &Space, device: tch::Device) -> Gradient {
        let settings = &recipe.search;
        let alpha = Alpha::start(space, alpha_start(recipe));
        let costs = costs(recipe, space);
        Gradient { alpha, costs, mode, adam: settings.alpha, every: settings.alpha_every, seed: recipe.seed, device }
    }
}

impl Strategy for Gradient {
    fn name(&self) -> String {
        format!("gradient {}", if self.mode == SamplingMode::Full { "full" } else { "two" })
    }

    fn path(&self, clock: Clock, purpose: &str) -> Path {
        Path::single(&self.alpha.sample(self.seed, purpose, clock.step))
    }

    fn architecture_step(&mut self, clock: Clock, gradients: &mut GateGradients<'_>) -> Result<()> {
        let counter = clock.step / self.every;
        let path = self.alpha.sample_gated(self.mode, self.seed, "alpha path", counter, self.device);
        let mut gradients = self.alpha.gradients(&path, &gradients(&path)?);
        add_cost(self.costs.as_deref(), &self.alpha, &mut gradients);
        self.alpha.step(&path, gradients, self.adam, self.mode);
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
