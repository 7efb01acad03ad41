//! Choices of operations within limits: an exact multiple-choice knapsack.
//!
//! Every block takes one of its operations. Scores add up, and so does what the operations take,
//! except for what the first block of a kind brings and others share
//! ([`mmnas_bundle::latency::costs`]). Which stage a decoder block runs in depends on where the first
//! one stands that reads the text. Each of these places is solved apart: it is a placement.
//! Partial solutions that another beats in score and in everything that is limited are dropped,
//! which loses no best solution.

use std::cmp::Ordering;
use std::path::Path;

use mmnas_bundle::latency::costs::{BlockCost, NetworkCosts, StageCosts};
use mmnas_bundle::latency::probes::Stack;
use mmnas_bundle::{Architecture, Operation};

use crate::error::{Error, Result};
use crate::space::limits::{Limit, Taken};

/// What is taken of one limited quantity, in whole millionths so that equal sums are equal.
///
/// The first number is what every block adds. The others are what first blocks bring: of text,
/// image and fusion blocks, and of the text and the image stage for fusion blocks.
type Amount = [u64; 6];

/// What is taken of every limited quantity.
type Amounts = Vec<Amount>;

fn millionths(value: f64) -> u64 {
    (value * 1e6).round() as u64
}

fn total(amount: &Amount) -> u64 {
    amount.iter().sum()
}

/// One choice of a block.
#[derive(Debug, Clone)]
struct Choice {
    /// Its place among the block's operations.
    index: usize,
    amounts: Amounts,
}

/// The choices of every block where the first decoder block that reads the text stands in one place.
#[derive(Debug, Clone)]
struct Placement(Vec<Vec<Choice>>);

/// Some blocks decided.
#[derive(Debug, Clone)]
struct Partial {
    amounts: Amounts,
    score: f64,
    choices: Vec<usize>,
}

impl Partial {
    fn with(&self, choice: &Choice, score: f64) -> Partial {
        let mut partial = self.clone();
        partial.add(choice, score);
        partial
    }

    fn add(&mut self, choice: &Choice, score: f64) {
        for (known, new) in self.amounts.iter_mut().zip(&choice.amounts) {
            known[0] += new[0];
            known[1..].iter_mut().zip(&new[1..]).for_each(|(known, new)| *known = (*known).max(*new));
        }
        self.score += score;
        self.choices.push(choice.index);
    }

    /// Whether nothing that begins with `other` can be better than what begins so with this.
    fn beats(&self, other: &Partial) -> bool {
        let takes_less = |own: &Amount, theirs: &Amount| own.iter().zip(theirs).all(|(own, theirs)| own <= theirs);
        self.score >= other.score
            && self.amounts.iter().zip(&other.amounts).all(|(own, theirs)| takes_less(own, theirs))
    }

    fn totals(&self) -> impl Iterator<Item = u64> {
        self.amounts.iter().map(total)
    }
}

/// A space whose architectures have limits to keep, at least one of which keeps all.
#[derive(Debug, Clone)]
pub struct Knapsack {
    placements: Vec<Placement>,
    /// What the stages take without any block.
    fixed: Amounts,
    limits: Vec<Limit>,
    at_most: Vec<u64>,
}

/// An architecture within the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct WithinLimits {
    /// One choice a block, the encoder's first.
    pub choices: Vec<usize>,
    /// Sum of the choices' scores.
    pub score: f64,
}

impl Knapsack {
    /// The knapsack of a space: the operations that each block may be, and what they take.
    ///
    /// `file` names the table of the costs in errors.
    ///
    /// # Errors
    ///
    /// [`Error::NothingFits`], with the architecture that comes nearest, if none keeps the limits.
    /// [`Error::Bundle`] for an operation that was not measured where it may stand, or a limit from
    /// pixels on and no vision stage that was measured.
    pub fn new(
        encoder: &[Vec<Operation>],
        decoder: &[Vec<Operation>],
        limits: Vec<Limit>,
        file: &Path,
    ) -> Result<Knapsack> {
        let choices = |stage: usize, block: &[Operation], allowed: &dyn Fn(Operation) -> bool| {
            let allowed = block.iter().enumerate().filter(|(_, operation)| allowed(**operation));
            let choice = |(index, &operation): (usize, &Operation)| -> Result<Choice> {
                let amounts =
                    limits.iter().map(|limit| amount(limit, stage, operation, file)).collect::<Result<_>>()?;
                Ok(Choice { index, amounts })
            };
            allowed.map(choice).collect::<Result<Vec<Choice>>>()
        };
        let mut placements = Vec::new();
        for first_guided in 0..=decoder.len() {
            let mut blocks = Vec::new();
            for block in encoder {
                blocks.push(choices(0, block, &|_| true)?);
            }
            for (place, block) in decoder.iter().enumerate() {
                blocks.push(match place.cmp(&first_guided) {
                    Ordering::Less => choices(1, block, &|operation| !operation.reads_text())?,
                    Ordering::Equal => choices(2, block, &|operation| operation.reads_text())?,
                    Ordering::Greater => choices(2, block, &|_| true)?,
                });
            }
            if !blocks.iter().any(Vec::is_empty) {
                placements.push(Placement(blocks));
            }
        }
        let fixed = limits.iter().map(|limit| Ok([fixed(limit, file)?, 0, 0, 0, 0, 0])).collect::<Result<_>>()?;
        let at_most = limits.iter().map(|limit| millionths(limit.at_most)).collect();
        let knapsack = Knapsack { placements, fixed, limits, at_most };
        let nearest = knapsack.nearest();
        if nearest.as_ref().is_some_and(|nearest| knapsack.keeps(&nearest.amounts)) {
            return Ok(knapsack);
        }
        let limits: Vec<String> = knapsack.limits.iter().map(|l| format!("{} {}", l.at_most, l.unit)).collect();
        let found = nearest.map_or_else(
            || "no architecture at all".to_owned(),
            |nearest| {
                let picked: Vec<Operation> =
                    encoder.iter().chain(decoder).zip(&nearest.choices).map(|(block, &choice)| block[choice]).collect();
                let (encoder, decoder) = picked.split_at(encoder.len());
                let architecture = Architecture { encoder: encoder.to_vec(), decoder: decoder.to_vec() };
                let taken: Vec<String> = knapsack.taken_of(&nearest.amounts).map(|taken| taken.to_string()).collect();
                format!("{architecture} with {}", taken.join(", "))
            },
        );
        Err(Error::NothingFits { limits: limits.join(" and "), nearest: found })
    }

    /// The architecture of the highest sum of `scores` within the limits; the first of several.
    ///
    /// There is a score for each operation of each block.
    pub fn best(&self, scores: &[Vec<f64>]) -> WithinLimits {
        // There is one: `new` has found an architecture that fits.
        self.best_possible(scores).unwrap_or(WithinLimits { choices: Vec::new(), score: 0.0 })
    }

    /// As [`Knapsack::best`], without choices whose score is −∞; none if nothing else fits.
    pub(crate) fn best_possible(&self, scores: &[Vec<f64>]) -> Option<WithinLimits> {
        let solved = self.placements.iter().filter_map(|placement| self.solve(placement, scores));
        let best = solved.reduce(|best, other| if other.score > best.score { other } else { best })?;
        Some(WithinLimits { choices: best.choices, score: best.score })
    }

    /// What an architecture takes, limit by limit; none for choices that the space does not have.
    pub fn taken(&self, choices: &[usize]) -> Option<Vec<Taken>> {
        Some(self.taken_of(&self.amounts(choices)?).collect())
    }

    /// Whether an architecture of the space keeps every limit.
    pub fn fits(&self, choices: &[usize]) -> bool {
        self.amounts(choices).is_some_and(|amounts| self.keeps(&amounts))
    }

    /// The gradient of `Σ max(0, E / limit − 1)` over the limits by the probabilities of the choices.
    ///
    /// E is the exact expectation of what is taken where every block draws its operation by its
    /// `probabilities`. Given the others it is linear in each block's, so the gradient is E with
    /// that choice made.
    pub fn hinge_gradient(&self, probabilities: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut gradient: Vec<Vec<f64>> = probabilities.iter().map(|block| vec![0.0; block.len()]).collect();
        for (number, limit) in self.limits.iter().enumerate() {
            if self.expectation(number, probabilities) <= limit.at_most {
                continue;
            }
            for (block, gradient) in gradient.iter_mut().enumerate() {
                for (choice, gradient) in gradient.iter_mut().enumerate() {
                    let mut decided = probabilities.to_vec();
                    decided[block].iter_mut().enumerate().for_each(|(k, p)| *p = f64::from(u8::from(k == choice)));
                    *gradient += self.expectation(number, &decided) / limit.at_most;
                }
            }
        }
        gradient
    }

    /// The expectation of what the limit `number` counts.
    pub(crate) fn expectation(&self, number: usize, probabilities: &[Vec<f64>]) -> f64 {
        let of_placement = |placement: &Placement| {
            let mass = |choices: &Vec<Choice>, p: &Vec<f64>| choices.iter().map(|c| p[c.index]).sum::<f64>();
            let masses: Vec<f64> = placement.0.iter().zip(probabilities).map(|(c, p)| mass(c, p)).collect();
            let probability: f64 = masses.iter().product();
            // What every choice may be, given that the first block that reads the text stands here.
            let blocks = || placement.0.iter().zip(probabilities).zip(&masses);
            if probability <= 0.0 {
                return 0.0;
            }
            let each = blocks().flat_map(|((choices, p), mass)| {
                choices.iter().map(move |c| p[c.index] / mass * c.amounts[number][0] as f64)
            });
            let mut expected = self.fixed[number][0] as f64 + each.sum::<f64>();
            for slot in 1..6 {
                let mut levels: Vec<u64> =
                    placement.0.iter().flatten().map(|c| c.amounts[number][slot]).filter(|&v| v > 0).collect();
                levels.sort_unstable();
                levels.dedup();
                let mut below = 0;
                for level in levels {
                    // The largest first block reaches this level unless every block stays under it.
                    let under = blocks().map(|((choices, p), mass)| {
                        let under = choices.iter().filter(|c| c.amounts[number][slot] < level);
                        under.map(|c| p[c.index]).sum::<f64>() / mass
                    });
                    expected += (level - below) as f64 * (1.0 - under.product::<f64>());
                    below = level;
                }
            }
            probability * expected
        };
        self.placements.iter().map(of_placement).sum::<f64>() / 1e6
    }

    fn taken_of(&self, amounts: &Amounts) -> impl Iterator<Item = Taken> {
        self.limits.iter().zip(amounts).map(|(limit, amount)| Taken {
            name: limit.name,
            unit: limit.unit,
            amount: total(amount) as f64 / 1e6,
            at_most: limit.at_most,
        })
    }

    fn keeps(&self, amounts: &Amounts) -> bool {
        amounts.iter().zip(&self.at_most).all(|(amount, at_most)| total(amount) <= *at_most)
    }

    /// What an architecture takes: of the one placement that has all its choices.
    fn amounts(&self, choices: &[usize]) -> Option<Amounts> {
        self.placements.iter().find_map(|Placement(blocks)| {
            let mut partial = self.start();
            if blocks.len() != choices.len() {
                return None;
            }
            for (block, &index) in blocks.iter().zip(choices) {
                partial.add(block.iter().find(|choice| choice.index == index)?, 0.0);
            }
            Some(partial.amounts)
        })
    }

    fn start(&self) -> Partial {
        Partial { amounts: self.fixed.clone(), score: 0.0, choices: Vec::new() }
    }

    /// The best of one choice a block within the limits.
    fn solve(&self, Placement(blocks): &Placement, scores: &[Vec<f64>]) -> Option<Partial> {
        let limits = 0..self.at_most.len();
        // What the blocks that are still open take at least.
        let least = |block: &Vec<Choice>, limit: usize| block.iter().map(|c| c.amounts[limit][0]).min().unwrap_or(0);
        let mut open: Vec<u64> = limits.map(|limit| blocks.iter().map(|block| least(block, limit)).sum()).collect();
        let mut partials = vec![self.start()];
        for (block, scores) in blocks.iter().zip(scores) {
            open.iter_mut().enumerate().for_each(|(limit, open)| *open -= least(block, limit));
            let possible = || block.iter().filter(|c| scores[c.index] > f64::NEG_INFINITY);
            let with = |partial: &Partial| possible().map(|c| partial.with(c, scores[c.index])).collect::<Vec<_>>();
            let mut next: Vec<Partial> = partials.iter().flat_map(with).collect();
            let fits = |partial: &Partial| {
                partial.totals().zip(&open).zip(&self.at_most).all(|((own, open), at_most)| own + open <= *at_most)
            };
            next.retain(fits);
            partials = without_beaten(next);
        }
        // Sorted by score, then by what is taken.
        partials.into_iter().next()
    }

    /// The architecture that comes nearest to keeping the limits: whose largest excess is smallest.
    fn nearest(&self) -> Option<Partial> {
        let excess = |partial: &Partial| {
            let ratio = |(taken, at_most): (u64, &u64)| taken as f64 / (*at_most).max(1) as f64;
            partial.totals().zip(&self.at_most).map(ratio).fold(0.0, f64::max)
        };
        let of_placement = |Placement(blocks): &Placement| {
            let mut partials = vec![self.start()];
            for block in blocks {
                // Scores do not count, so that few partial solutions stay.
                let with = |partial: &Partial| block.iter().map(|c| partial.with(c, 0.0)).collect::<Vec<_>>();
                partials = without_beaten(partials.iter().flat_map(with).collect());
            }
            partials
        };
        self.placements.iter().flat_map(of_placement).min_by(|a, b| excess(a).total_cmp(&excess(b)))
    }
}

/// What `operation` takes of a limited quantity as a block of `stage`: 0 text, 1 image, 2 fusion.
fn amount(limit: &Limit, stage: usize, operation: Operation, file: &Path) -> Result<Amount> {
    let counts = limit.part.stages();
    let mut amount = Amount::default();
    let mut add = |place: usize, cost: BlockCost| {
        amount[0] += millionths(cost.each);
        amount[place] = millionths(cost.first);
    };
    let known = |stage: usize, what: &str, cost: Option<&BlockCost>| -> Result<BlockCost> {
        let expected = || format!("a measurement of {operation} {what} the {} stage", Stack::ALL[stage]);
        let missing = || mmnas_bundle::Error::invalid(file, "measurements", expected(), "none");
        Ok(*cost.ok_or_else(missing)?)
    };
    if counts[stage] {
        let costs = stage_costs(&limit.costs, stage);
        add(1 + stage, known(stage, "in", costs.blocks.get(&operation))?);
        // What the first served block brings is there with a block of the stage's own.
        if let Some(shared) = costs.shared.get(&operation).filter(|_| stage < 2) {
            add(4 + stage, BlockCost { each: 0.0, first: shared.first });
        }
    }
    for other in (0..2).filter(|&other| stage == 2 && counts[other]) {
        if Stack::ALL[other].serves(operation) {
            add(4 + other, known(other, "served by", stage_costs(&limit.costs, other).shared.get(&operation))?);
        }
    }
    Ok(amount)
}

/// What the counted stages take without any block.
fn fixed(limit: &Limit, file: &Path) -> Result<u64> {
    let counted = (0..3).filter(|&stage| limit.part.stages()[stage]);
    let own: u64 = counted.map(|stage| millionths(stage_costs(&limit.costs, stage).fixed)).sum();
    Ok(millionths(limit.part.before(&limit.costs, file)?) + own)
}

fn stage_costs(costs: &NetworkCosts, stage: usize) -> &StageCosts {
    [&costs.text, &costs.image, &costs.fusion][stage]
}

/// The partial solutions that no other beats, of equal ones the first, by score and then by what they take.
fn without_beaten(mut partials: Vec<Partial>) -> Vec<Partial> {
    partials.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.totals().cmp(b.totals())));
    let mut kept: Vec<Partial> = Vec::new();
    for partial in partials {
        if !kept.iter().any(|known| known.beats(&partial)) {
            kept.push(partial);
        }
    }
    kept
}
