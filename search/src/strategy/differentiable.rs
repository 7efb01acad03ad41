//! Strategies that learn alpha by gradients.

use tch::Tensor;

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::recipe::Recipe;
use crate::recipe::adam::AdamSettings;
use crate::recipe::strategy::SamplingMode;
use crate::space::arch_path::ArchPath;
use crate::space::cost::relative_costs;
use crate::space::search_space::Space;
use crate::strategy::alpha::{Alpha, AlphaStart};
use crate::strategy::decision::{GateGradients, Schedule, Strategy};

/// Draws paths from alpha and estimates alpha's gradients.
pub(crate) trait Estimator: std::fmt::Debug {
    /// The strategy's name.
    fn name(&self) -> String;

    /// The path of a weight step.
    fn path(&self, alpha: &Alpha, schedule: Schedule, purpose: &str) -> ArchPath;

    /// The path of an architecture step and the gradients of alpha along it.
    ///
    /// # Errors
    ///
    /// Those of `of_gates`.
    fn gradients(
        &self,
        alpha: &Alpha,
        schedule: Schedule,
        of_gates: &mut GateGradients<'_>,
    ) -> Result<(ArchPath, Vec<Tensor>)>;

    /// The alphas that a step moves.
    fn mode(&self) -> SamplingMode {
        SamplingMode::Full
    }
}

/// A strategy that learns alpha by an estimator's gradients.
///
/// The expected cost of the operations adds its own gradient.
#[derive(Debug)]
pub(crate) struct Differentiable<E> {
    estimator: E,
    alpha: Alpha,
    costs: Option<Vec<Vec<f64>>>,
    adam: AdamSettings,
}

impl<E: Estimator> Differentiable<E> {
    pub(crate) fn new(estimator: E, recipe: &Recipe, space: &Space) -> Differentiable<E> {
        let start = if recipe.published.alpha_start { AlphaStart::Published } else { AlphaStart::Uniform };
        // The recipe's check has found a cost for every operation.
        let costs = recipe.search.cost.as_ref().and_then(|cost| relative_costs(cost, space).ok());
        Differentiable { estimator, alpha: Alpha::start(space, start), costs, adam: recipe.search.alpha }
    }
}

/// Adds the gradient of the expected costs to `gradients`.
///
/// It is `p_i (c_i − Σ_j p_j c_j)` in each block.
pub(crate) fn add_cost(costs: Option<&[Vec<f64>]>, alpha: &Alpha, gradients: &mut [Tensor]) {
    for ((gradient, p), c) in gradients.iter_mut().zip(alpha.probabilities()).zip(costs.unwrap_or_default()) {
        let mean: f64 = p.iter().zip(c).map(|(p, c)| p * c).sum();
        let of_cost: Vec<f32> = p.iter().zip(c).map(|(p, c)| (p * (c - mean)) as f32).collect();
        *gradient += Tensor::from_slice(&of_cost);
    }
}

impl<E: Estimator> Strategy for Differentiable<E> {
    fn name(&self) -> String {
        self.estimator.name()
    }

    fn path(&self, schedule: Schedule, purpose: &str) -> ArchPath {
        self.estimator.path(&self.alpha, schedule, purpose)
    }

    fn architecture_step(&mut self, schedule: Schedule, of_gates: &mut GateGradients<'_>) -> Result<()> {
        let (path, mut gradients) = self.estimator.gradients(&self.alpha, schedule, of_gates)?;
        add_cost(self.costs.as_deref(), &self.alpha, &mut gradients);
        self.alpha.step(&path, gradients, self.adam, self.estimator.mode());
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
