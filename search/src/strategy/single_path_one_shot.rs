//! Strategies that choose after a supernet is trained on uniform paths.

use rand::seq::SliceRandom as _;

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::recipe::strategy::PathSampling;
use crate::seed::rng;
use crate::space::arch_path::ArchPath;
use crate::space::search_space::Space;
use crate::strategy::decision::{Bounds, Schedule, SharedScore, Strategy, choices_from, choices_tensor, draw, one_hot};

/// Chooses an architecture once the supernet is trained.
pub(crate) trait Chooser: std::fmt::Debug {
    /// Its name for logs.
    fn name(&self) -> &'static str;

    /// The architectures that it compares, one operation a block, the best first.
    ///
    /// There is at least one, each once. All of them keep the limits, if there are some.
    fn choose(
        &self,
        space: &Space,
        bounds: Option<&Bounds>,
        seed: u64,
        score: &mut dyn FnMut(&[usize]) -> Result<f64>,
    ) -> Result<Vec<Vec<usize>>>;
}

/// One-shot search over a supernet that is trained on single paths.
///
/// These train the weights that all architectures share; how they are drawn is the recipe's
/// [`PathSampling`]. Then a chooser compares some of the architectures.
#[derive(Debug)]
pub(crate) struct SinglePathOneShot {
    chooser: Box<dyn Chooser>,
    sampling: PathSampling,
    /// Largest number of samples of the alpha part for a score.
    samples: usize,
    space: Space,
    bounds: Option<Bounds>,
    seed: u64,
    /// Micro-batches of a step.
    accumulate: u64,
    /// Those that the chooser compared, the best first; any one until the end.
    ranked: Vec<Vec<usize>>,
}

/// Most architectures that are remembered of those that a chooser compared.
const REMEMBERED: usize = 256;

impl SinglePathOneShot {
    pub(crate) fn new(
        chooser: impl Chooser + 'static,
        (sampling, samples): (PathSampling, usize),
        (space, bounds): (&Space, Option<Bounds>),
        (seed, accumulate): (u64, usize),
    ) -> SinglePathOneShot {
        let ranked = vec![draw(space, bounds.as_ref(), &mut rng(seed, "any architecture", 0))];
        let (chooser, space, accumulate) = (Box::new(chooser), space.clone(), accumulate as u64);
        SinglePathOneShot { chooser, sampling, samples, space, bounds, seed, accumulate, ranked }
    }
}

/// The path whose turn it is: every operation of a block has one in as many turns as there are.
///
/// The order is drawn anew once all have had theirs.
fn fair_path(space: &Space, seed: u64, turn: u64) -> ArchPath {
    let choice = |(block, operations): (usize, usize)| {
        let (round, place) = (turn / operations as u64, turn % operations as u64);
        let mut order: Vec<usize> = (0..operations).collect();
        order.shuffle(&mut rng(seed, &format!("fair order {block}"), round));
        order[place as usize]
    };
    ArchPath::single(&space.blocks().map(<[_]>::len).enumerate().map(choice).collect::<Vec<_>>())
}

impl Strategy for SinglePathOneShot {
    fn name(&self) -> String {
        self.chooser.name().to_owned()
    }

    fn path(&self, schedule: Schedule, purpose: &str) -> ArchPath {
        ArchPath::single(&self.space.draw(&mut rng(self.seed, purpose, schedule.step)))
    }

    fn weight_paths(&self, schedule: Schedule, parts: usize) -> Vec<ArchPath> {
        match self.sampling {
            PathSampling::Uniform => vec![self.path(schedule, "weight path")],
            PathSampling::Within => {
                let mut rng = rng(self.seed, "weight path", schedule.step);
                vec![ArchPath::single(&draw(&self.space, self.bounds.as_ref(), &mut rng))]
            }
            PathSampling::Fair => {
                // The last step of an epoch may have fewer parts; its turns are the first of its own.
                let first = schedule.step * self.accumulate;
                (first..first + parts as u64).map(|turn| fair_path(&self.space, self.seed, turn)).collect()
            }
        }
    }

    fn conclude(&mut self, score: &mut SharedScore<'_>) -> Result<()> {
        let mut score = |choices: &[usize]| score(choices, self.samples);
        self.ranked = self.chooser.choose(&self.space, self.bounds.as_ref(), self.seed, &mut score)?;
        self.ranked.truncate(REMEMBERED);
        Ok(())
    }

    fn best(&self) -> Vec<usize> {
        self.ranked[0].clone()
    }

    fn ranked(&self) -> Box<dyn Iterator<Item = Vec<usize>> + '_> {
        Box::new(self.ranked.iter().cloned())
    }

    fn probabilities(&self) -> Vec<Vec<f64>> {
        one_hot(&self.space, &self.ranked[0])
    }

    fn save(&self, into: &mut TensorMap) {
        into.insert(BEST.to_owned(), choices_tensor(&self.ranked[0]));
        for (place, choices) in self.ranked.iter().enumerate().skip(1) {
            into.insert(place_name(place), choices_tensor(choices));
        }
    }

    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String> {
        let mut ranked = vec![choices_from(&self.space, BEST, from)?];
        // Older checkpoints have the best one alone.
        while from.contains_key(&place_name(ranked.len())) {
            ranked.push(choices_from(&self.space, &place_name(ranked.len()), from)?);
        }
        self.ranked = ranked;
        Ok(())
    }
}

/// Name in a checkpoint of the best architecture.
const BEST: &str = "strategy.best";

/// Name in a checkpoint of the architecture in this place, from 1.
fn place_name(place: usize) -> String {
    format!("strategy.ranked.{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::arch_path::Choice;

    #[test]
    fn every_operation_has_as_many_turns() {
        let space = Space::published(2, 3);
        let choices = |turn: u64| -> Vec<usize> {
            let of = |choice: &Choice| (0..4).find(|&k| choice.is_active(k)).unwrap();
            fair_path(&space, 3, turn).0.iter().map(of).collect()
        };
        let drawn: Vec<Vec<usize>> = (0..40).map(choices).collect();
        for turns in drawn.chunks(4) {
            for block in 0..5 {
                let of = |k: usize| turns.iter().filter(|choices| choices[block] == k).count();
                let expected = if block < 2 { vec![2, 2, 0, 0] } else { vec![1; 4] };
                assert_eq!((0..4).map(of).collect::<Vec<_>>(), expected);
            }
        }
        // Blocks take turns in orders of their own.
        assert!(drawn.iter().any(|choices| choices[2] != choices[3]) && drawn[..4] != drawn[4..8]);
    }
}
