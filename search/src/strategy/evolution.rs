use std::collections::BTreeMap;

use rand::RngExt as _;

use super::{Clock, GateGradients, SharedScore, Strategy, choices_from, choices_tensor, one_hot};
use crate::{Path, Result, Space, TensorMap, rng};

/// Constants of the breeding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breeding {
    pub population: usize,
    pub generations: usize,
    pub mutation: f64,
}

/// Evolution over the trained supernet (Guo et al., "Single Path One-Shot", 2020): the better half of a generation is
/// kept, the other half are crossings of it, some of whose blocks are drawn anew.
#[derive(Debug)]
pub(super) struct Evolution {
    breeding: Breeding,
    samples: usize,
    space: Space,
    seed: u64,
    best: Vec<usize>,
}

impl Evolution {
    pub(super) fn new(breeding: Breeding, samples: usize, space: &Space, seed: u64) -> Evolution {
        let best = space.draw(&mut rng(seed, "first generation", 0));
        Evolution { breeding, samples, space: space.clone(), seed, best }
    }

    /// A child of two of the `parents`.
    fn child(&self, parents: &[Vec<usize>], rng: &mut impl rand::Rng) -> Vec<usize> {
        let (a, b) = (&parents[rng.random_range(0..parents.len())], &parents[rng.random_range(0..parents.len())]);
        let block = |(block, operations): (usize, usize)| {
            if rng.random::<f64>() < self.breeding.mutation {
                rng.random_range(0..operations)
            } else if rng.random::<bool>() {
                a[block]
            } else {
                b[block]
            }
        };
        self.space.blocks().map(<[_]>::len).enumerate().map(block).collect()
    }
}

impl Strategy for Evolution {
    fn name(&self) -> String {
        "evolution".to_owned()
    }

    fn path(&self, clock: Clock, purpose: &str) -> Path {
        Path::single(&self.space.draw(&mut rng(self.seed, purpose, clock.step)))
    }

    fn architecture_step(&mut self, _clock: Clock, _gradients: &mut GateGradients<'_>) -> Result<()> {
        Ok(())
    }

    fn learns_alpha(&self) -> bool {
        false
    }

    fn conclude(&mut self, score: &mut SharedScore<'_>) -> Result<()> {
        // The same architecture always scores the same, so it is run once.
        let mut known: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
        let population = self.breeding.population.max(2);
        let first = |k: usize| self.space.draw(&mut rng(self.seed, "first generation", k as u64));
        let mut generation: Vec<Vec<usize>> = (0..population).map(first).collect();
        for number in 0..=self.breeding.generations {
            for member in &generation {
                if !known.contains_key(member) {
                    known.insert(member.clone(), score(member, self.samples)?);
                }
            }
            generation.sort_by(|a, b| known[b].total_cmp(&known[a]).then_with(|| a.cmp(b)));
            generation.dedup();
            generation.truncate(population.div_ceil(2));
            if number < self.breeding.generations {
                let parents = generation.clone();
                let mut rng = rng(self.seed, "generation", number as u64);
                while generation.len() < population {
                    generation.push(self.child(&parents, &mut rng));
                }
            }
        }
        self.best.clone_from(&generation[0]);
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
