//! Candidates for finals: architectures that alpha makes probable, ranked by shared scores.

use mmnas_bundle::{Architecture, Error as BundleError, read_text_file};
use rand::RngExt as _;

use crate::error::Result;
use crate::progress::Progress;
use crate::recipe::finals::CandidateSettings;
use crate::run::folder::RunFolder;
use crate::seed::rng;
use crate::strategy::alpha::pick;
use crate::strategy::decision::{Bounds, SharedScore, Strategy};

/// File of the networks that shared scores chose, in a run's folder.
pub(crate) const FINALISTS: &str = "finalists.json";

/// The networks in [`FINALISTS`] of a run, or those that `choose` gives now, which it then has.
///
/// A killed search goes on with the same ones, also on a processor that rounds otherwise.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) for a file that cannot be read or written. Those
/// of `choose`.
pub(crate) fn chosen_once(
    run: &RunFolder,
    choose: impl FnOnce() -> Result<Vec<Architecture>>,
) -> Result<Vec<Architecture>> {
    let file = run.file(FINALISTS);
    if file.exists() {
        return serde_json::from_str(&read_text_file(&file)?).map_err(|e| BundleError::json(&file, &e).into());
    }
    let chosen = choose()?;
    run.write_json(FINALISTS, &chosen)?;
    Ok(chosen)
}

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
        let drawn: Vec<usize> = softened.iter().map(|weights| pick(weights, rng.random::<f64>())).collect();
        if fits(&drawn) && !found.contains(&drawn) {
            found.push(drawn);
        }
    }
    found
}

/// Probabilities to the power of 1 / `temperature`, over their sum.
fn soften(probabilities: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = probabilities.iter().map(|p| p.powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
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
    fn softened_probabilities_are_roots_over_their_sum() {
        let weights = soften(&[0.81, 0.0, 0.01, 0.16], 2.0);
        // Square roots: 0.9, 0, 0.1, 0.4.
        for (weight, root) in weights.iter().zip([0.9, 0.0, 0.1, 0.4]) {
            assert!((weight - root / 1.4).abs() < 1e-12, "{weights:?}");
        }
        assert!(soften(&[0.3, 0.7], 1.0).iter().zip([0.3, 0.7]).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn finalists_are_chosen_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::claim(folder.path()).unwrap();
        let chosen = || chosen_once(&run, || Ok(vec!["enc SA, dec GA FFN".parse().unwrap()])).unwrap();
        let first = chosen();
        assert_eq!(chosen_once(&run, || panic!("chosen twice")).unwrap(), first);
        std::fs::write(run.file(FINALISTS), "[7]").unwrap();
        let error = chosen_once(&run, || Ok(Vec::new())).unwrap_err().to_string();
        assert!(error.contains(FINALISTS), "{error}");
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
