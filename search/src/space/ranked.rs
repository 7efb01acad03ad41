//! Architectures in the order of their scores (Lawler 1972).
//!
//! The best one is known. Every other differs from it in a first block: so the rest falls into as
//! many parts as there are blocks, each of which has a best one again.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::space::knapsack::WithinLimits;

/// Some architectures: those whose choices all have a score above −∞.
struct Part {
    best: WithinLimits,
    scores: Vec<Vec<f64>>,
    /// Blocks before this one have one choice.
    decided: usize,
}

impl Ord for Part {
    fn cmp(&self, other: &Part) -> Ordering {
        // Of equal scores the first choices come first.
        self.best.score.total_cmp(&other.best.score).then_with(|| other.best.choices.cmp(&self.best.choices))
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Part) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Part) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Part {}

/// All architectures by falling sum of their `scores`, one a choice of each block.
///
/// `solve` gives the best by changed scores, none if every one has a choice of −∞.
pub(crate) fn ranked<S>(scores: Vec<Vec<f64>>, solve: S) -> impl Iterator<Item = WithinLimits>
where
    S: Fn(&[Vec<f64>]) -> Option<WithinLimits>,
{
    let part = |scores: Vec<Vec<f64>>, decided, solve: &S| {
        let best = solve(&scores)?;
        Some(Part { best, scores, decided })
    };
    let mut open: BinaryHeap<Part> = part(scores, 0, &solve).into_iter().collect();
    let mut last: Option<Part> = None;
    std::iter::from_fn(move || {
        // What lies beside the last one is looked at only when another is asked for.
        if let Some(Part { best, mut scores, decided }) = last.take() {
            for block in decided..scores.len() {
                let mut others = scores.clone();
                others[block][best.choices[block]] = f64::NEG_INFINITY;
                open.extend(part(others, block, &solve));
                let only = |(k, score): (usize, &mut f64)| {
                    if k != best.choices[block] {
                        *score = f64::NEG_INFINITY;
                    }
                };
                scores[block].iter_mut().enumerate().for_each(only);
            }
        }
        last = open.pop();
        last.as_ref().map(|part| part.best.clone())
    })
}

/// The best choice of every block by itself; none if a block has only choices of −∞.
pub(crate) fn best_of_each(scores: &[Vec<f64>]) -> Option<WithinLimits> {
    let mut best = WithinLimits { choices: Vec::new(), score: 0.0 };
    for block in scores {
        // The first of equal ones, as alpha's own choice is.
        let (choice, score) = block.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1))?;
        best.choices.push(choice);
        best.score += score;
    }
    best.score.is_finite().then_some(best)
}
