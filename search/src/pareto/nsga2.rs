//! NSGA-II over architectures: more accuracy for less cost.
//!
//! See Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (2002).

use std::collections::BTreeMap;

use rand::RngExt as _;

use crate::error::Result;
use crate::seed::rng;

/// What an architecture is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objectives {
    /// What it takes: less is better.
    pub cost: f64,
    /// Its score: more is better.
    pub accuracy: f64,
}

impl Objectives {
    /// Whether this one is better in one objective and not worse in the other.
    pub fn dominates(self, other: Objectives) -> bool {
        let not_worse = self.cost <= other.cost && self.accuracy >= other.accuracy;
        not_worse && (self.cost < other.cost || self.accuracy > other.accuracy)
    }
}

/// The constants of an evolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nsga2 {
    /// Architectures of a generation, at least 2.
    pub population: usize,
    /// Generations after the first.
    pub generations: usize,
    /// Probability that a block of a child is drawn anew.
    pub mutation: f64,
    /// Seeds every random decision.
    pub seed: u64,
}

/// How often a child that is known already is drawn anew.
const TRIES: usize = 32;

/// Sorts members into fronts: each is dominated by members of earlier fronts alone.
///
/// This is the fast non-dominated sorting of section III-A.
pub fn sorted_fronts(members: &[Objectives]) -> Vec<Vec<usize>> {
    let count = members.len();
    let mut dominated: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut dominators = vec![0usize; count];
    for (a, one) in members.iter().enumerate() {
        for (b, other) in members.iter().enumerate() {
            if one.dominates(*other) {
                dominated[a].push(b);
                dominators[b] += 1;
            }
        }
    }
    let mut front: Vec<usize> = (0..count).filter(|&k| dominators[k] == 0).collect();
    let mut fronts = Vec::new();
    while !front.is_empty() {
        let mut next = Vec::new();
        for &member in &front {
            for &worse in &dominated[member] {
                dominators[worse] -= 1;
                if dominators[worse] == 0 {
                    next.push(worse);
                }
            }
        }
        next.sort_unstable();
        fronts.push(std::mem::replace(&mut front, next));
    }
    fronts
}

/// The crowding distance of every member of a front; infinite at its ends.
///
/// It is the half perimeter of the box between its neighbours (section III-B).
pub fn crowding(members: &[Objectives], front: &[usize]) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    for objective in [|o: &Objectives| o.cost, |o: &Objectives| o.accuracy] {
        let value = |place: usize| objective(&members[front[place]]);
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else { return distances };
        let range = value(last) - value(first);
        for three in order.windows(3).filter(|_| range > 0.0) {
            distances[three[1]] += (value(three[2]) - value(three[0])) / range;
        }
        distances[first] = f64::INFINITY;
        distances[last] = f64::INFINITY;
    }
    distances
}

/// A parent and its place among the others.
#[derive(Debug, Clone)]
struct Parent {
    choices: Vec<usize>,
    rank: usize,
    crowding: f64,
}

/// Objectives of the new architectures of a generation, which is numbered from 0.
pub type ScoreNew<'a> = dyn FnMut(usize, &[Vec<usize>]) -> Result<Vec<Objectives>> + 'a;

/// The architectures that were scored.
pub type Scored = BTreeMap<Vec<usize>, Objectives>;

impl Nsga2 {
    /// Evolves architectures; returns all that were scored.
    ///
    /// `blocks` are the numbers of operations that each block may be; `first` are members of the
    /// first generation.
    ///
    /// # Errors
    /// Those of `score`.
    pub fn evolve(&self, blocks: &[usize], first: &[Vec<usize>], score: &mut ScoreNew<'_>) -> Result<Scored> {
        let (mut scored, mut parents) = (Scored::new(), Vec::new());
        for generation in 0..=self.generations {
            // A generator a generation, so that the numbers of one do not depend on earlier ones.
            let mut rng = rng(self.seed, "pareto generation", generation as u64);
            let mut children: Vec<Vec<usize>> = Vec::new();
            if generation == 0 {
                for member in first.iter().cloned().chain(self.ends(blocks)) {
                    if !children.contains(&member) {
                        children.push(member);
                    }
                }
            }
            for _ in children.len()..self.population {
                let known = |child: &Vec<usize>| scored.contains_key(child) || children.contains(child);
                let new = (0..TRIES).map(|_| self.child(blocks, &parents, &mut rng)).find(|child| !known(child));
                children.extend(new);
            }
            let objectives = score(generation, &children)?;
            scored.extend(children.iter().cloned().zip(objectives));
            let alive = parents.into_iter().map(|parent: Parent| parent.choices).chain(children).collect();
            parents = self.survivors(alive, &scored);
        }
        Ok(scored)
    }

    /// Architectures of one operation: they stand near the ends of the front.
    ///
    /// Drawn ones all cost about the same, and crossing takes long to leave their middle.
    fn ends(&self, blocks: &[usize]) -> Vec<Vec<usize>> {
        let most = blocks.iter().copied().max().unwrap_or(0).min(self.population.div_ceil(2));
        (0..most).map(|k| blocks.iter().map(|&operations| k.min(operations - 1)).collect()).collect()
    }

    /// A child of two parents, or a drawn architecture where there are none.
    fn child(&self, blocks: &[usize], parents: &[Parent], rng: &mut impl rand::Rng) -> Vec<usize> {
        if parents.is_empty() {
            return blocks.iter().map(|&operations| rng.random_range(0..operations)).collect();
        }
        let (a, b) = (tournament(parents, rng), tournament(parents, rng));
        let block = |(block, &operations): (usize, &usize)| {
            if rng.random::<f64>() < self.mutation {
                rng.random_range(0..operations)
            } else if rng.random::<bool>() {
                a.choices[block]
            } else {
                b.choices[block]
            }
        };
        blocks.iter().enumerate().map(block).collect()
    }

    /// The best of `alive`: whole fronts first, then the least crowded of the next one.
    fn survivors(&self, alive: Vec<Vec<usize>>, scored: &Scored) -> Vec<Parent> {
        let members: Vec<Objectives> = alive.iter().map(|choices| scored[choices]).collect();
        let mut kept: Vec<Parent> = Vec::new();
        for (rank, front) in sorted_fronts(&members).into_iter().enumerate() {
            let mut own: Vec<Parent> = crowding(&members, &front)
                .into_iter()
                .zip(&front)
                .map(|(crowding, &place)| Parent { choices: alive[place].clone(), rank, crowding })
                .collect();
            own.sort_by(|a, b| b.crowding.total_cmp(&a.crowding).then_with(|| a.choices.cmp(&b.choices)));
            kept.extend(own);
            if kept.len() >= self.population {
                break;
            }
        }
        kept.truncate(self.population);
        kept
    }
}

/// The better one of two drawn parents: of lower rank, or less crowded in the same.
fn tournament<'a>(parents: &'a [Parent], rng: &mut impl rand::Rng) -> &'a Parent {
    let (a, b) = (&parents[rng.random_range(0..parents.len())], &parents[rng.random_range(0..parents.len())]);
    if (b.rank, a.crowding) < (a.rank, b.crowding) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::front::undominated;

    fn drawn(count: usize, round: u64, values: u32) -> Vec<Objectives> {
        let mut rng = rng(3, "objectives", round);
        // Few values, so that many are equal.
        let mut value = || f64::from(rng.random_range(0..values));
        (0..count).map(|_| Objectives { cost: value(), accuracy: value() }).collect()
    }

    #[test]
    fn fronts_are_what_taking_the_undominated_away_gives() {
        for round in 0..30 {
            let members = drawn(40, round, if round % 2 == 0 { 6 } else { 1000 });
            let (mut left, mut naive): (Vec<usize>, Vec<Vec<usize>>) = ((0..members.len()).collect(), Vec::new());
            while !left.is_empty() {
                let beaten = |k: usize| left.iter().any(|&other| members[other].dominates(members[k]));
                let front: Vec<usize> = left.iter().copied().filter(|&k| !beaten(k)).collect();
                left.retain(|k| !front.contains(k));
                naive.push(front);
            }
            assert_eq!(sorted_fronts(&members), naive, "{round}");
            // The first front without equal ones is what is kept for the file.
            let first: Vec<Objectives> = undominated(members.clone(), |o| (o.cost, o.accuracy));
            let mut expected: Vec<(f64, f64)> =
                naive[0].iter().map(|&k| (members[k].cost, members[k].accuracy)).collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            expected.dedup();
            assert_eq!(first.iter().map(|o| (o.cost, o.accuracy)).collect::<Vec<_>>(), expected);
        }
        assert!(sorted_fronts(&[]).is_empty() && crowding(&[], &[]).is_empty());
    }

    #[test]
    fn crowding_is_the_half_perimeter_between_the_neighbours() {
        for round in 0..30 {
            let members = drawn(30, 100 + round, 1_000_000);
            for front in sorted_fronts(&members) {
                // In a front without equal values the neighbours are the same in both objectives.
                let range = |of: fn(&Objectives) -> f64| {
                    let values = || front.iter().map(|&k| of(&members[k]));
                    values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
                };
                let ranges = [range(|o| o.cost), range(|o| o.accuracy)];
                for (&k, found) in front.iter().zip(crowding(&members, &front)) {
                    let others = || front.iter().filter(|&&other| other != k).map(|&other| members[other]);
                    let below = others().filter(|o| o.cost < members[k].cost).max_by(|a, b| a.cost.total_cmp(&b.cost));
                    let above = others().filter(|o| o.cost > members[k].cost).min_by(|a, b| a.cost.total_cmp(&b.cost));
                    let expected = match (below, above) {
                        (Some(low), Some(high)) => {
                            (high.cost - low.cost) / ranges[0] + (high.accuracy - low.accuracy) / ranges[1]
                        }
                        _ => f64::INFINITY,
                    };
                    assert!(found == expected || (found - expected).abs() < 1e-12, "{found} {expected}");
                }
            }
        }
    }

    /// Cost and score of an architecture, of which neither is a sum of the blocks'.
    fn objectives(choices: &[usize]) -> Objectives {
        let cost = |(block, &k): (usize, &usize)| (1 + k) as f64 * (1.0 + 0.07 * block as f64);
        let cost: f64 = choices.iter().enumerate().map(cost).sum();
        let rises = choices.windows(2).filter(|pair| pair[0] < pair[1]).count() as f64;
        let sum: usize = choices.iter().sum();
        Objectives { cost, accuracy: (sum as f64 + 2.0 * rises) / (sum as f64 + 20.0) }
    }

    #[test]
    fn the_whole_front_of_a_small_space_is_found() {
        let blocks = [2, 2, 4, 4, 4, 4];
        let mut all: Vec<Vec<usize>> = vec![Vec::new()];
        for operations in blocks {
            all = all.iter().flat_map(|known| (0..operations).map(|k| [known.as_slice(), &[k]].concat())).collect();
        }
        assert_eq!(all.len(), 1024);
        let pairs = |list: Vec<Objectives>| {
            undominated(list, |o| (o.cost, o.accuracy)).iter().map(|o| (o.cost, o.accuracy)).collect::<Vec<_>>()
        };
        let truth = pairs(all.iter().map(|choices| objectives(choices)).collect());
        assert!(truth.len() > 8, "{} points", truth.len());
        for seed in 0..5 {
            let evolution = Nsga2 { population: 24, generations: 20, mutation: 0.1, seed };
            let mut calls = 0;
            let scored = evolution
                .evolve(&blocks, &[], &mut |_, new| {
                    calls += new.len();
                    Ok(new.iter().map(|choices| objectives(choices)).collect())
                })
                .unwrap();
            // Nothing is scored twice, and half of the space is enough.
            assert!(calls == scored.len() && calls <= 24 * 21 && calls < all.len() / 2 + 1, "{calls}");
            assert_eq!(pairs(scored.into_values().collect()), truth, "seed {seed}");
        }
    }

    #[test]
    fn a_space_with_fewer_members_than_a_generation_is_tried_whole() {
        let evolution = Nsga2 { population: 10, generations: 3, mutation: 0.5, seed: 1 };
        let score = &mut |_: usize, new: &[Vec<usize>]| Ok(new.iter().map(|c| objectives(c)).collect());
        assert_eq!(evolution.evolve(&[2, 1, 2], &[vec![1, 0, 1], vec![1, 0, 1]], score).unwrap().len(), 4);
        assert_eq!(evolution.evolve(&[1], &[], score).unwrap().len(), 1);
    }
}
