//! The best architecture whose predicted time stays within a limit: an exact multiple-choice knapsack.
//!
//! Every block takes one of its operations; scores add up, and so do times, except for what the first block of a kind
//! brings and others share ([`mmnas_bundle::latency::costs`]). Which stage a decoder block runs in depends on where the
//! first one stands that reads the text, so each of these places is solved apart. Partial solutions that another beats in
//! score and in every part of the time are dropped, which loses no best solution.

use std::path::Path;

use mmnas_bundle::latency::costs::{BlockCost, NetworkCosts, StageCosts};
use mmnas_bundle::latency::probes::Stack;
use mmnas_bundle::{Architecture, Operation};

use crate::error::{Error, Result};
use crate::space::limited_part::LimitedPart;

/// The operations that each block may be, with a score each; scores of a network add up.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredBlocks {
    /// Blocks of the encoder.
    pub encoder: Vec<Vec<(Operation, f64)>>,
    /// Blocks of the decoder.
    pub decoder: Vec<Vec<(Operation, f64)>>,
}

/// An architecture and its predicted milliseconds, of the limited part.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderLimit {
    /// One operation a block.
    pub architecture: Architecture,
    /// Predicted milliseconds of the part that the limit is for.
    pub milliseconds: f64,
    /// Sum of the blocks' scores.
    pub score: f64,
}

/// Times are whole nanoseconds here, so that equal sums are equal.
fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6).round() as u64
}

/// What first blocks bring: of text blocks, image blocks, fusion blocks, and of text and image stage for fusion blocks.
type Firsts = [u64; 5];

/// What one operation adds at one place.
#[derive(Debug, Clone, Copy)]
struct Cost {
    each: u64,
    firsts: Firsts,
}

/// One choice of a block.
#[derive(Debug, Clone, Copy)]
struct Choice {
    operation: Operation,
    score: f64,
    cost: Cost,
}

/// Some blocks decided.
#[derive(Debug, Clone)]
struct Partial {
    each: u64,
    firsts: Firsts,
    score: f64,
    operations: Vec<Operation>,
}

impl Partial {
    fn time(&self) -> u64 {
        self.each + self.firsts.iter().sum::<u64>()
    }

    fn with(&self, choice: &Choice) -> Partial {
        let mut operations = self.operations.clone();
        operations.push(choice.operation);
        let mut firsts = self.firsts;
        firsts.iter_mut().zip(choice.cost.firsts).for_each(|(known, new)| *known = (*known).max(new));
        Partial { each: self.each + choice.cost.each, firsts, score: self.score + choice.score, operations }
    }

    /// Whether nothing that begins with `other` can be better than what begins so with this.
    fn beats(&self, other: &Partial) -> bool {
        self.score >= other.score
            && self.each <= other.each
            && self.firsts.iter().zip(&other.firsts).all(|(own, theirs)| own <= theirs)
    }
}

/// Looks up costs of operations by the place that they stand in.
struct Costs<'a> {
    costs: &'a NetworkCosts,
    counts: [bool; 3],
    /// Milliseconds before the network's own stages.
    before: f64,
    file: &'a Path,
}

impl Costs<'_> {
    fn stage(&self, stage: usize) -> &StageCosts {
        [&self.costs.text, &self.costs.image, &self.costs.fusion][stage]
    }

    /// What `operation` adds as a block of `stage`: 0 text, 1 image, 2 fusion.
    fn of(&self, stage: usize, operation: Operation) -> Result<Cost> {
        let (mut each, mut firsts) = (0, Firsts::default());
        let mut add = |place: usize, cost: BlockCost| {
            each += nanoseconds(cost.each);
            firsts[place] = nanoseconds(cost.first);
        };
        let known = |stage: usize, what: &str, cost: Option<&BlockCost>| -> Result<BlockCost> {
            let expected = || format!("a measurement of {operation} {what} the {} stage", Stack::ALL[stage]);
            let missing = || mmnas_bundle::Error::invalid(self.file, "measurements", expected(), "none");
            Ok(*cost.ok_or_else(missing)?)
        };
        if self.counts[stage] {
            add(stage, known(stage, "in", self.stage(stage).blocks.get(&operation))?);
            // What the first served block brings is there with a block of the stage's own.
            if let Some(shared) = self.stage(stage).shared.get(&operation).filter(|_| stage < 2) {
                add(3 + stage, BlockCost { each: 0.0, first: shared.first });
            }
        }
        for other in (0..2).filter(|&other| stage == 2 && self.counts[other]) {
            if Stack::ALL[other].serves(operation) {
                add(3 + other, known(other, "served by", self.stage(other).shared.get(&operation))?);
            }
        }
        Ok(Cost { each, firsts })
    }

    /// Nanoseconds of the counted stages without any block.
    fn fixed(&self) -> u64 {
        let own = (0..3).filter(|&stage| self.counts[stage]).map(|stage| nanoseconds(self.stage(stage).fixed));
        nanoseconds(self.before) + own.sum::<u64>()
    }

    fn choices(
        &self,
        stage: usize,
        block: &[(Operation, f64)],
        allowed: impl Fn(Operation) -> bool,
    ) -> Result<Vec<Choice>> {
        let allowed = block.iter().filter(|(operation, _)| allowed(*operation));
        allowed.map(|&(operation, score)| Ok(Choice { operation, score, cost: self.of(stage, operation)? })).collect()
    }
}

/// The architecture of highest score whose predicted time of `part` is at most `milliseconds`.
///
/// `file` names the table of the costs in errors. Of equal scores the faster one is taken.
///
/// # Errors
/// [`Error::NothingFits`], with the fastest architecture, if none is fast enough; an operation that was not measured
/// where it may stand; a limit from pixels on, and no vision stage that was measured.
pub fn best_under_limit(
    blocks: &ScoredBlocks,
    costs: &NetworkCosts,
    part: LimitedPart,
    milliseconds: f64,
    file: &Path,
) -> Result<UnderLimit> {
    let costs = Costs { costs, counts: part.stages(), before: part.before(costs, file)?, file };
    let limit = nanoseconds(milliseconds.max(0.0));
    let (mut best, mut fastest): (Option<Partial>, Option<Partial>) = (None, None);
    for first_guided in 0..=blocks.decoder.len() {
        let mut stack = Vec::new();
        for block in &blocks.encoder {
            stack.push(costs.choices(0, block, |_| true)?);
        }
        for (place, block) in blocks.decoder.iter().enumerate() {
            stack.push(match place.cmp(&first_guided) {
                std::cmp::Ordering::Less => costs.choices(1, block, |operation| !operation.reads_text())?,
                std::cmp::Ordering::Equal => costs.choices(2, block, |operation| operation.reads_text())?,
                std::cmp::Ordering::Greater => costs.choices(2, block, |_| true)?,
            });
        }
        if stack.iter().any(Vec::is_empty) {
            continue;
        }
        let start = Partial { each: costs.fixed(), firsts: Firsts::default(), score: 0.0, operations: Vec::new() };
        if let Some(found) = solve(&start, &stack, limit) {
            let better = |known: &Partial| (found.score, known.time()) > (known.score, found.time());
            if best.as_ref().is_none_or(better) {
                best = Some(found);
            }
        }
        let found = solve_fastest(&start, &stack);
        if fastest.as_ref().is_none_or(|known| found.time() < known.time()) {
            fastest = Some(found);
        }
    }
    let of = |partial: Partial| {
        let milliseconds = partial.time() as f64 / 1e6;
        let mut encoder = partial.operations;
        let decoder = encoder.split_off(blocks.encoder.len());
        UnderLimit { architecture: Architecture { encoder, decoder }, milliseconds, score: partial.score }
    };
    if let Some(best) = best {
        return Ok(of(best));
    }
    let cheapest = fastest.map(of).map_or_else(
        || "no architecture at all".to_owned(),
        |fastest| format!("{} with {:.3} ms", fastest.architecture, fastest.milliseconds),
    );
    Err(Error::NothingFits { milliseconds, cheapest })
}

/// The best of one choice a block within the limit.
fn solve(start: &Partial, stack: &[Vec<Choice>], limit: u64) -> Option<Partial> {
    // What the blocks that are still open take at least.
    let least = |choices: &Vec<Choice>| choices.iter().map(|choice| choice.cost.each).min().unwrap_or(0);
    let mut open: u64 = stack.iter().map(least).sum();
    let mut partials = vec![start.clone()];
    for choices in stack {
        open -= least(choices);
        let mut next: Vec<Partial> = partials.iter().flat_map(|p| choices.iter().map(|c| p.with(c))).collect();
        next.retain(|partial| partial.time() + open <= limit);
        partials = without_beaten(next);
    }
    partials.into_iter().max_by(|a, b| a.score.total_cmp(&b.score).then_with(|| b.time().cmp(&a.time())))
}

/// The fastest of one choice a block.
fn solve_fastest(start: &Partial, stack: &[Vec<Choice>]) -> Partial {
    let mut partials = vec![start.clone()];
    for choices in stack {
        // Scores do not count, so that few partial solutions stay.
        let unscored: Vec<Choice> = choices.iter().map(|choice| Choice { score: 0.0, ..*choice }).collect();
        partials = without_beaten(partials.iter().flat_map(|p| unscored.iter().map(|c| p.with(c))).collect());
    }
    partials.into_iter().min_by_key(Partial::time).unwrap_or_else(|| start.clone())
}

/// The partial solutions that no other beats; of equal ones the first.
fn without_beaten(mut partials: Vec<Partial>) -> Vec<Partial> {
    partials.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| a.each.cmp(&b.each)).then_with(|| a.firsts.cmp(&b.firsts))
    });
    let mut kept: Vec<Partial> = Vec::new();
    for partial in partials {
        if !kept.iter().any(|known| known.beats(&partial)) {
            kept.push(partial);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::RngExt as _;

    use super::*;
    use crate::seed::rng;

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

    fn random_blocks(rng: &mut impl rand::Rng, encoder: usize, decoder: usize) -> ScoredBlocks {
        let mut block = |operations: &[Operation]| {
            operations.iter().map(|operation| (*operation, -rng.random_range(0.0..3.0f64))).collect::<Vec<_>>()
        };
        ScoredBlocks {
            encoder: (0..encoder).map(|_| block(&Operation::ENCODER)).collect(),
            decoder: (0..decoder).map(|_| block(&Operation::DECODER)).collect(),
        }
    }

    /// Every architecture of the space with its score.
    fn all(blocks: &ScoredBlocks) -> Vec<(Architecture, f64)> {
        let mut found = vec![(Vec::new(), 0.0)];
        for block in blocks.encoder.iter().chain(&blocks.decoder) {
            found = found
                .iter()
                .flat_map(|(known, score): &(Vec<Operation>, f64)| {
                    block
                        .iter()
                        .map(move |(operation, more)| ([known.as_slice(), &[*operation]].concat(), score + more))
                })
                .collect();
        }
        let of = |(mut encoder, score): (Vec<Operation>, f64)| {
            let decoder = encoder.split_off(blocks.encoder.len());
            (Architecture { encoder, decoder }, score)
        };
        found.into_iter().map(of).collect()
    }

    #[test]
    fn it_is_what_trying_everything_finds() {
        let file = Path::new(FILE);
        for round in 0..40 {
            let mut rng = rng(7, "knapsack", round);
            let costs = random_costs(&mut rng);
            let blocks = random_blocks(&mut rng, 2, 4);
            let part = LimitedPart::ALL[round as usize % LimitedPart::ALL.len()];
            let time = |architecture: &Architecture| part.of(costs.predict(architecture, file).unwrap());
            let every = all(&blocks);
            let times: Vec<f64> = every.iter().map(|(architecture, _)| time(architecture)).collect();
            let (least, most) =
                (times.iter().copied().fold(f64::INFINITY, f64::min), times.iter().copied().fold(0.0, f64::max));
            for share in [-0.05, 0.02, 0.2, 0.5, 1.0] {
                let limit = least + share * (most - least);
                let fits = every.iter().zip(&times).filter(|(_, ms)| **ms <= limit + 1e-6);
                let best = fits.map(|((_, score), _)| *score).fold(f64::NEG_INFINITY, f64::max);
                match best_under_limit(&blocks, &costs, part, limit, file) {
                    Ok(found) => {
                        assert!((found.score - best).abs() < 1e-9, "{round} {share}: {} {best}", found.score);
                        let own = time(&found.architecture);
                        assert!((own - found.milliseconds).abs() < 1e-4 && own <= limit + 1e-4, "{own} {limit}");
                    }
                    Err(Error::NothingFits { cheapest, .. }) => {
                        assert!(share < 0.0, "{round} {share}: {cheapest}");
                        assert!(cheapest.contains(&format!("{least:.3}")), "{cheapest} {least}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Thirty blocks, as the paper has them, in a moment.
    #[test]
    fn the_published_space_is_solved() {
        let mut rng = rng(7, "knapsack", 99);
        let (costs, blocks) = (random_costs(&mut rng), random_blocks(&mut rng, 12, 18));
        let free = best_under_limit(&blocks, &costs, LimitedPart::All, 1e6, Path::new(FILE)).unwrap();
        let best: f64 =
            blocks.encoder.iter().chain(&blocks.decoder).map(|b| b.iter().map(|c| c.1).fold(f64::MIN, f64::max)).sum();
        assert!((free.score - best).abs() < 1e-9);
        let half =
            best_under_limit(&blocks, &costs, LimitedPart::All, 0.8 * free.milliseconds, Path::new(FILE)).unwrap();
        assert!(half.milliseconds <= 0.8 * free.milliseconds && half.score < free.score);
    }

    #[test]
    fn an_operation_that_was_not_measured_is_named() {
        let mut rng = rng(7, "knapsack", 0);
        let (mut costs, blocks) = (random_costs(&mut rng), random_blocks(&mut rng, 1, 2));
        let error = |costs: &NetworkCosts, part| {
            best_under_limit(&blocks, costs, part, 9.0, Path::new(FILE)).unwrap_err().to_string()
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
}
