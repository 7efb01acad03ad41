//! Strategies that choose after a supernet is trained on uniform paths.

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::seed::rng;
use crate::space::arch_path::ArchPath;
use crate::space::search_space::Space;
use crate::strategy::decision::{Bounds, Schedule, SharedScore, Strategy, choices_from, choices_tensor, draw, one_hot};

/// Chooses an architecture once the supernet is trained.
pub(crate) trait Chooser: std::fmt::Debug {
    /// Its name for logs.
    fn name(&self) -> &'static str;

    /// Chooses the best of the architectures that it compares, one operation a block.
    ///
    /// All of them keep the limits, if there are some.
    fn choose(
        &self,
        space: &Space,
        bounds: Option<&Bounds>,
        seed: u64,
        score: &mut dyn FnMut(&[usize]) -> Result<f64>,
    ) -> Result<Vec<usize>>;
}

/// One-shot search over a supernet that is trained on uniform paths.
///
/// These train the weights that all architectures share. Then a chooser compares some of the
/// architectures.
#[derive(Debug)]
pub(crate) struct SinglePathOneShot {
    chooser: Box<dyn Chooser>,
    /// Largest number of samples of the alpha part for a score.
    samples: usize,
    space: Space,
    bounds: Option<Bounds>,
    seed: u64,
    /// Any architecture until the end.
    best: Vec<usize>,
}

impl SinglePathOneShot {
    pub(crate) fn new(
        chooser: impl Chooser + 'static,
        samples: usize,
        (space, bounds): (&Space, Option<Bounds>),
        seed: u64,
    ) -> SinglePathOneShot {
        let best = draw(space, bounds.as_ref(), &mut rng(seed, "any architecture", 0));
        SinglePathOneShot { chooser: Box::new(chooser), samples, space: space.clone(), bounds, seed, best }
    }
}

impl Strategy for SinglePathOneShot {
    fn name(&self) -> String {
        self.chooser.name().to_owned()
    }

    fn path(&self, schedule: Schedule, purpose: &str) -> ArchPath {
        ArchPath::single(&self.space.draw(&mut rng(self.seed, purpose, schedule.step)))
    }

    fn conclude(&mut self, score: &mut SharedScore<'_>) -> Result<()> {
        let mut score = |choices: &[usize]| score(choices, self.samples);
        self.best = self.chooser.choose(&self.space, self.bounds.as_ref(), self.seed, &mut score)?;
        Ok(())
    }

    fn best(&self) -> Vec<usize> {
        self.best.clone()
    }

    fn probabilities(&self) -> Vec<Vec<f64>> {
        one_hot(&self.space, &self.best)
    }

    fn save(&self, into: &mut TensorMap) {
        into.insert("strategy.best".to_owned(), choices_tensor(&self.best));
    }

    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String> {
        self.best = choices_from(&self.space, "strategy.best", from)?;
        Ok(())
    }
}
