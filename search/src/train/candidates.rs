//! Candidates for finals: architectures that alpha makes probable, ranked by shared scores.

use rand::Rng;
use rand::RngExt as _;

use crate::error::Result;
use crate::progress::Progress;
use crate::recipe::finals::CandidateSettings;
use crate::seed::rng;
use crate::strategy::decision::{Bounds, SharedScore, Strategy};

/// Draws for each candidate: most may be over a tight limit, or known.
const DRAWS: usize = 1000;

/// Different architectures, one operation a block: the most probable, then drawn ones that fit.
///
/// There are fewer than `settings.architectures` where a thousand draws for each give no more.
fn candidates(
    most_probable: impl Iterator<Item = Vec<usize>>,
    probabilities: &[Vec<f64>],
    fits: impl Fn(&[usize]) -> bool,
    settings: &CandidateSettings,
    seed: u64,
) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = most_probable.take(settings.architectures.div_ceil(2)).collect();
    let softened: Vec<Vec<f64>> = probabilities.iter().map(|p| soften(p, settings.temperature)).collect();
    let mut rng = rng(seed, "candidates for finals", 0);
    for _ in 0..DRAWS * settings.architectures {
        if found.len() >= settings.architectures {
            break;
        }
        let drawn: Vec<usize> = softened.iter().map(|weights| pick(weights, &mut rng)).collect();
        if fits(&drawn) && !found.contains(&drawn) {
            found.push(drawn);
        }
    }
    found
}

/// Probabilities to the power of 1 / `temperature`; their sum is not 1.
fn soften(probabilities: &[f64], temperature: f64) -> Vec<f64> {
    probabilities.iter().map(|p| p.powf(1.0 / temperature)).collect()
}

/// An index, each with a probability in proportion to its weight.
fn pick(weights: &[f64], rng: &mut impl Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let passed = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    passed.unwrap_or(weights.len().saturating_sub(1))
}

/// Candidates within the limits by falling score with shared weights; of equal ones the first stays first.
///
/// # Errors
///
/// Those of `score`.
pub(crate) fn ranked_candidates(
    (strategy, bounds): (&dyn Strategy, Option<&Bounds>),
    settings: &CandidateSettings,
    seed: u64,
    score: &mut SharedScore<'_>,
) -> Result<Vec<Vec<usize>>> {
    let fits = |choices: &[usize]| bounds.is_none_or(|bounds| bounds.knapsack.fits(choices));
    let candidates = candidates(strategy.ranked(), &strategy.probabilities(), fits, settings, seed);
    let progress = Progress::new("score", candidates.len() as u64);
    let mut scored = Vec::new();
    for candidate in candidates {
        scored.push((score(&candidate, settings.samples)?, candidate));
        progress.at(scored.len() as u64, String::new);
    }
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    progress.line(&format!("finals: {} candidates scored with shared weights", scored.len()));
    Ok(scored.into_iter().map(|(_, candidate)| candidate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_softened_probabilities() {
        let weights = soften(&[0.81, 0.0, 0.01, 0.16], 2.0);
        // Square roots: 0.9, 0, 0.1, 0.4.
        let mut rng = rng(5, "test", 0);
        let mut counts = [0usize; 4];
        for _ in 0..14_000 {
            counts[pick(&weights, &mut rng)] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, share) in counts.iter().zip([0.9, 0.0, 0.1, 0.4]) {
            assert!((*count as f64 - share * 10_000.0).abs() < 400.0, "{counts:?}");
        }
        assert_eq!(soften(&[0.3, 0.7], 1.0), [0.3, 0.7]);
    }
    #[test]
    fn half_are_the_most_probable_and_the_others_fit_and_are_drawn_once() {
        let settings = CandidateSettings { architectures: 8, samples: 1, temperature: 4.0 };
        let probabilities = vec![vec![0.98, 0.01, 0.01]; 3];
        let most_probable = || [vec![0, 0, 0], vec![1, 0, 0], vec![0, 1, 0], vec![0, 0, 1], vec![2, 0, 0]].into_iter();
        let of = |settings: &CandidateSettings, seed: u64| {
            candidates(most_probable(), &probabilities, |choices| choices[2] != 2, settings, seed)
        };
        let found = of(&settings, 1);
        assert_eq!(found[..4], most_probable().take(4).collect::<Vec<_>>());
        assert_eq!(found.len(), 8);
        for (place, choices) in found.iter().enumerate() {
            assert!(choices[2] != 2 && !found[..place].contains(choices), "{found:?}");
        }
        assert_eq!(of(&settings, 1), found);
        assert_ne!(of(&settings, 2), found);
        // Two of the three operations of the last block fit: no more than 3 · 3 · 2.
        let all = of(&CandidateSettings { architectures: 100, ..settings }, 1);
        assert_eq!(all.len(), 18);
    }
}
