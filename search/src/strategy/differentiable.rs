//! Strategies that learn alpha by gradients.

use tch::Tensor;

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::recipe::Recipe;
use crate::recipe::adam::AdamSettings;
use crate::recipe::strategy::SamplingMode;
use crate::space::arch_path::ArchPath;
use crate::space::ranked::{best_of_each, ranked};
use crate::space::search_space::Space;
use crate::strategy::alpha::{Alpha, AlphaStart};
use crate::strategy::decision::{Bounds, GateGradients, Schedule, Strategy};

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
/// Limits add the gradient of their hinge, and what is derived keeps them.
#[derive(Debug)]
pub(crate) struct Differentiable<E> {
    estimator: E,
    alpha: Alpha,
    bounds: Option<Bounds>,
    adam: AdamSettings,
}

impl<E: Estimator> Differentiable<E> {
    pub(crate) fn new(estimator: E, recipe: &Recipe, space: &Space, bounds: Option<Bounds>) -> Differentiable<E> {
        let start = if recipe.published.alpha_start { AlphaStart::Published } else { AlphaStart::Uniform };
        Differentiable { estimator, alpha: Alpha::start(space, start), bounds, adam: recipe.search.alpha }
    }
}

/// Adds the gradient of `weight · Σ max(0, E / limit − 1)` to `gradients`.
///
/// With d its gradient by the probabilities p it is `p_i (d_i − Σ_j p_j d_j)` in each block.
pub(crate) fn add_hinge(bounds: &Bounds, alpha: &Alpha, gradients: &mut [Tensor]) {
    let probabilities = alpha.probabilities();
    let by_probabilities = bounds.knapsack.hinge_gradient(&probabilities);
    for ((gradient, p), d) in gradients.iter_mut().zip(probabilities).zip(by_probabilities) {
        let mean: f64 = p.iter().zip(&d).map(|(p, d)| p * d).sum();
        let of_hinge: Vec<f32> = p.iter().zip(&d).map(|(p, d)| (bounds.weight * p * (d - mean)) as f32).collect();
        *gradient += Tensor::from_slice(&of_hinge);
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
        if let Some(bounds) = &self.bounds {
            add_hinge(bounds, &self.alpha, &mut gradients);
        }
        self.alpha.step(&path, gradients, self.adam, self.estimator.mode());
        Ok(())
    }

    fn learns_alpha(&self) -> bool {
        true
    }

    fn best(&self) -> Vec<usize> {
        let Some(bounds) = &self.bounds else { return self.alpha.best() };
        bounds.knapsack.best(&log_probabilities(&self.probabilities())).choices
    }

    fn ranked(&self) -> Box<dyn Iterator<Item = Vec<usize>> + '_> {
        let scores = log_probabilities(&self.probabilities());
        let solve = |scores: &[Vec<f64>]| match &self.bounds {
            Some(bounds) => bounds.knapsack.best_possible(scores),
            None => best_of_each(scores),
        };
        Box::new(ranked(scores, solve).map(|found| found.choices))
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

/// Scores whose sum is the logarithm of an architecture's probability.
pub(crate) fn log_probabilities(probabilities: &[Vec<f64>]) -> Vec<Vec<f64>> {
    // A probability of 0 is one too small to write.
    let log = |p: &f64| p.max(f64::MIN_POSITIVE).ln();
    probabilities.iter().map(|block| block.iter().map(log).collect()).collect()
}
