//! Tests of the knapsack: it is compared with trying everything.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::latency::costs::{BlockCost, NetworkCosts, StageCosts};
use mmnas_bundle::{Architecture, Operation};
use rand::RngExt as _;

use crate::error::Error;
use crate::recipe::limited_part::LimitedPart;
use crate::seed::rng;
use crate::space::knapsack::Knapsack;
use crate::space::limits::Limit;
use crate::space::ranked::ranked;

const FILE: &str = "latency.json";

fn random_costs(rng: &mut impl rand::Rng) -> NetworkCosts {
    let mut stage = |operations: &[Operation], shared: &[Operation]| {
        let mut map = |operations: &[Operation]| -> BTreeMap<Operation, BlockCost> {
            let mut cost = || BlockCost { each: rng.random_range(0.1..2.0), first: rng.random_range(0.0..0.5) };
            operations.iter().map(|operation| (*operation, cost())).collect()
        };
        let (blocks, shared) = (map(operations), map(shared));
        StageCosts { fixed: 0.5, blocks, shared }
    };
    use Operation::{FeedForward, GuidedAttention, RelationSelfAttention, SelfAttention};
    NetworkCosts {
        vision: Some(3.0),
        text: stage(&Operation::ENCODER, &[GuidedAttention]),
        image: stage(&[SelfAttention, RelationSelfAttention, FeedForward], &[RelationSelfAttention]),
        fusion: stage(&Operation::DECODER, &[]),
    }
}

/// The operations of each block of the published space.
fn blocks(encoder: usize, decoder: usize) -> (Vec<Vec<Operation>>, Vec<Vec<Operation>>) {
    (vec![Operation::ENCODER.to_vec(); encoder], vec![Operation::DECODER.to_vec(); decoder])
}

fn random_scores(rng: &mut impl rand::Rng, encoder: usize, decoder: usize) -> Vec<Vec<f64>> {
    let mut block = |operations: usize| (0..operations).map(|_| -rng.random_range(0.0..3.0f64)).collect();
    (0..encoder + decoder).map(|k| block(if k < encoder { 2 } else { 4 })).collect()
}

fn limit(costs: &NetworkCosts, part: LimitedPart, at_most: f64) -> Limit {
    Limit { name: "milliseconds", unit: "ms", costs: costs.clone(), part, at_most }
}

/// Every architecture of the space.
fn all(encoder: usize, decoder: usize) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    for block in 0..encoder + decoder {
        let operations = if block < encoder { 2 } else { 4 };
        found = found.iter().flat_map(|known| (0..operations).map(|k| [known.as_slice(), &[k]].concat())).collect();
    }
    found
}

fn architecture(choices: &[usize], encoder: usize) -> Architecture {
    let (text, image) = choices.split_at(encoder);
    Architecture {
        encoder: text.iter().map(|&k| Operation::ENCODER[k]).collect(),
        decoder: image.iter().map(|&k| Operation::DECODER[k]).collect(),
    }
}

fn score(choices: &[usize], scores: &[Vec<f64>]) -> f64 {
    choices.iter().zip(scores).map(|(&k, scores)| scores[k]).sum()
}

/// The least and the most of some numbers.
fn ends(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, 0.0f64), |(least, most), n| (least.min(*n), most.max(*n)))
}

#[test]
fn it_is_what_trying_everything_finds() {
    let file = Path::new(FILE);
    let every = all(2, 4);
    for round in 0..20 {
        let mut rng = rng(7, "knapsack", round);
        let (costs, other) = (random_costs(&mut rng), random_costs(&mut rng));
        let scores = random_scores(&mut rng, 2, 4);
        let part = LimitedPart::ALL[round as usize % LimitedPart::ALL.len()];
        let of = |costs: &NetworkCosts, part: LimitedPart| -> Vec<f64> {
            every.iter().map(|c| part.of(costs.predict(&architecture(c, 2), file).unwrap())).collect()
        };
        let (times, sizes) = (of(&costs, part), of(&other, LimitedPart::All));
        let ((least, most), (smallest, largest)) = (ends(&times), ends(&sizes));
        for (share, of_size) in [(-0.05, 1.0), (0.02, 1.0), (0.2, 0.4), (0.5, 0.3), (1.0, 1.0), (1.0, -0.05)] {
            // A little more than what an architecture takes: sums of rounded numbers differ in the last place.
            let within = |share: f64, (least, most): (f64, f64)| least + share * (most - least) + 1e-4;
            let (at_most, largest) = (within(share, (least, most)), within(of_size, (smallest, largest)));
            let fits = |k: usize| times[k] <= at_most && sizes[k] <= largest;
            let fitting: Vec<usize> = (0..every.len()).filter(|&k| fits(k)).collect();
            let limits = vec![limit(&costs, part, at_most), limit(&other, LimitedPart::All, largest)];
            let (encoder, decoder) = blocks(2, 4);
            match Knapsack::new(&encoder, &decoder, limits, file) {
                Ok(knapsack) => {
                    let found = knapsack.best(&scores);
                    let best = fitting.iter().map(|&k| score(&every[k], &scores)).fold(f64::NEG_INFINITY, f64::max);
                    assert!((found.score - best).abs() < 1e-9, "{round} {share}: {} {best}", found.score);
                    assert!((score(&found.choices, &scores) - best).abs() < 1e-9);
                    let mut falling: Vec<f64> = fitting.iter().map(|&k| score(&every[k], &scores)).collect();
                    falling.sort_by(|a, b| b.total_cmp(a));
                    let next = ranked(scores.clone(), |scores| knapsack.best_possible(scores)).take(7);
                    assert_eq!(next.count(), fitting.len().min(7));
                    for (found, expected) in
                        ranked(scores.clone(), |scores| knapsack.best_possible(scores)).zip(falling).take(7)
                    {
                        assert!((found.score - expected).abs() < 1e-9 && knapsack.fits(&found.choices));
                    }
                    for (k, choices) in every.iter().enumerate() {
                        assert_eq!(knapsack.fits(choices), fits(k), "{round} {share} {choices:?}");
                        let taken = knapsack.taken(choices).unwrap();
                        assert!((taken[0].amount - times[k]).abs() < 1e-4, "{} {}", taken[0].amount, times[k]);
                        assert!((taken[1].amount - sizes[k]).abs() < 1e-4);
                    }
                }
                Err(Error::NothingFits { nearest, .. }) => {
                    assert!(fitting.is_empty(), "{round} {share}: {nearest}");
                    let excess = |k: usize| (times[k] / at_most).max(sizes[k] / largest);
                    let nearer = (0..every.len()).map(excess).fold(f64::INFINITY, f64::min);
                    let named =
                        (0..every.len()).find(|&k| nearest.starts_with(&architecture(&every[k], 2).to_string()));
                    assert!((excess(named.unwrap()) - nearer).abs() < 1e-4, "{nearest}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Thirty blocks, as the paper has them, and two limits, in a moment.
#[test]
fn the_published_space_is_solved() {
    let mut rng = rng(7, "knapsack", 99);
    let (costs, other, scores) = (random_costs(&mut rng), random_costs(&mut rng), random_scores(&mut rng, 12, 18));
    let (encoder, decoder) = blocks(12, 18);
    let solve = |ms: f64, size: f64| {
        let limits = vec![limit(&costs, LimitedPart::All, ms), limit(&other, LimitedPart::KnownImage, size)];
        let knapsack = Knapsack::new(&encoder, &decoder, limits, Path::new(FILE)).unwrap();
        let best = knapsack.best(&scores);
        let next: Vec<f64> =
            ranked(scores.clone(), |scores| knapsack.best_possible(scores)).take(2).map(|next| next.score).collect();
        assert!(next[0] == best.score && next.is_sorted_by(|a, b| a >= b), "{next:?}");
        (best.score, knapsack.taken(&best.choices).unwrap())
    };
    let (free, taken) = solve(1e6, 1e6);
    let best: f64 = scores.iter().map(|block| block.iter().copied().fold(f64::MIN, f64::max)).sum();
    assert!((free - best).abs() < 1e-9);
    let (ms, size) = (0.8 * taken[0].amount, 0.9 * taken[1].amount);
    let (less, taken) = solve(ms, size);
    assert!(taken[0].amount <= ms && taken[1].amount <= size && less < free);
}

/// The expectation is a mean over all architectures, by their probability.
#[test]
fn the_expectation_is_that_of_trying_everything() {
    let file = Path::new(FILE);
    for round in 0..10 {
        let mut rng = rng(7, "expectation", round);
        let costs = random_costs(&mut rng);
        let mut probabilities = random_scores(&mut rng, 2, 4);
        for block in &mut probabilities {
            let sum: f64 = block.iter().map(|score| score.exp()).sum();
            block.iter_mut().for_each(|score| *score = score.exp() / sum);
        }
        let part = LimitedPart::ALL[round as usize % LimitedPart::ALL.len()];
        let mean = |p: &[Vec<f64>]| -> f64 {
            let of = |choices: &Vec<usize>| {
                let probability: f64 = choices.iter().zip(p).map(|(&k, p)| p[k]).product();
                probability * part.of(costs.predict(&architecture(choices, 2), file).unwrap())
            };
            all(2, 4).iter().map(of).sum()
        };
        let (encoder, decoder) = blocks(2, 4);
        let expected = mean(&probabilities);
        // Any architecture fits the first limit; the hinge of the second is open.
        let limits = vec![limit(&costs, part, 1e6), limit(&costs, part, 0.9 * expected)];
        let Ok(knapsack) = Knapsack::new(&encoder, &decoder, limits, file) else {
            panic!("nothing is below the mean, round {round}")
        };
        let found = knapsack.expectation(0, &probabilities);
        assert!((found - expected).abs() < 1e-4, "{round}: {found} {expected}");
        let gradient = knapsack.hinge_gradient(&probabilities);
        for (block, gradient) in gradient.iter().enumerate() {
            for (choice, gradient) in gradient.iter().enumerate() {
                let mut more = probabilities.clone();
                more[block][choice] += 1.0;
                let slope = (mean(&more) - expected) / (0.9 * expected);
                assert!((gradient - slope).abs() < 1e-4, "{round} {block} {choice}: {gradient} {slope}");
            }
        }
    }
}

#[test]
fn an_operation_that_was_not_measured_is_named() {
    let mut rng = rng(7, "knapsack", 0);
    let mut costs = random_costs(&mut rng);
    let (encoder, decoder) = blocks(1, 2);
    let error = |costs: &NetworkCosts, part| {
        Knapsack::new(&encoder, &decoder, vec![limit(costs, part, 9.0)], Path::new(FILE)).unwrap_err().to_string()
    };
    costs.vision = None;
    let unseen = error(&costs, LimitedPart::Pixels);
    assert!(unseen.contains(FILE) && unseen.contains("mmnas-search probes --vision"), "{unseen}");
    costs.text.shared.clear();
    let unserved = error(&costs, LimitedPart::All);
    assert!(unserved.contains(FILE) && unserved.contains("guided_att_64 served by the text stage"), "{unserved}");
    costs.fusion.blocks.remove(&Operation::FeedForward);
    let unknown = error(&costs, LimitedPart::Fusion);
    assert!(unknown.contains(FILE) && unknown.contains("feed_forward in the fusion stage"), "{unknown}");
}
