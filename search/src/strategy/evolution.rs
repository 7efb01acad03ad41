//! Regularised evolution over a trained supernet.

use std::collections::BTreeMap;

use rand::RngExt as _;

use crate::error::Result;
use crate::seed::rng;
use crate::space::search_space::Space;
use crate::strategy::decision::{Bounds, draw};
use crate::strategy::single_path_one_shot::Chooser;

/// How often a child is bred anew that does not fit the limits.
const BREEDINGS: usize = 100;

/// Evolution over the trained supernet (Guo et al., "Single Path One-Shot", 2020).
///
/// The better half of a generation is kept. The other half are crossings of it, some of whose
/// blocks are drawn anew. A child that does not fit the limits is bred anew (Once-for-All, 2020).
#[derive(Debug)]
pub(crate) struct Evolution {
    /// Architectures of a generation.
    pub population: usize,
    /// Generations after the first, random one.
    pub generations: usize,
    /// Probability that a block of a child is drawn anew.
    pub mutation: f64,
}

impl Evolution {
    /// A child of two of the `parents`.
    fn child(&self, space: &Space, parents: &[Vec<usize>], rng: &mut impl rand::Rng) -> Vec<usize> {
        let (a, b) = (&parents[rng.random_range(0..parents.len())], &parents[rng.random_range(0..parents.len())]);
        let block = |(block, operations): (usize, usize)| {
            if rng.random::<f64>() < self.mutation {
                rng.random_range(0..operations)
            } else if rng.random::<bool>() {
                a[block]
            } else {
                b[block]
            }
        };
        space.blocks().map(<[_]>::len).enumerate().map(block).collect()
    }
}

impl Chooser for Evolution {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn choose(
        &self,
        space: &Space,
        bounds: Option<&Bounds>,
        seed: u64,
        score: &mut dyn FnMut(&[usize]) -> Result<f64>,
    ) -> Result<Vec<Vec<usize>>> {
        // The same architecture always scores the same, so it is run once.
        let mut known: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
        let population = self.population.max(2);
        let first = |k: usize| draw(space, bounds, &mut rng(seed, "first generation", k as u64));
        let mut generation: Vec<Vec<usize>> = (0..population).map(first).collect();
        for number in 0..=self.generations {
            for member in &generation {
                if !known.contains_key(member) {
                    known.insert(member.clone(), score(member)?);
                }
            }
            generation.sort_by(|a, b| known[b].total_cmp(&known[a]).then_with(|| a.cmp(b)));
            generation.dedup();
            generation.truncate(population.div_ceil(2));
            if number < self.generations {
                let parents = generation.clone();
                let mut rng = rng(seed, "generation", number as u64);
                while generation.len() < population {
                    let fits = |child: &Vec<usize>| bounds.is_none_or(|bounds| bounds.knapsack.fits(child));
                    let child = (0..BREEDINGS).map(|_| self.child(space, &parents, &mut rng)).find(fits);
                    generation.push(child.unwrap_or_else(|| draw(space, bounds, &mut rng)));
                }
            }
        }
        let mut compared: Vec<(Vec<usize>, f64)> = known.into_iter().collect();
        // Of equal scores the first choices come first, as in a generation.
        compared.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(compared.into_iter().map(|(choices, _)| choices).collect())
    }
}
