//! Candidates for finals: architectures that alpha makes probable, ranked by shared scores.

use std::collections::HashSet;
use std::time::Instant;

use mmnas_bundle::{Architecture, Error as BundleError, read_text_file};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::progress::Progress;
use crate::recipe::finals::CandidateSettings;
use crate::run::folder::RunFolder;
use crate::seed::rng;
use crate::strategy::alpha::pick;
use crate::strategy::decision::{Bounds, SharedScore, Strategy};

/// File of the [`Finalists`] in a run's folder.
pub(crate) const FINALISTS: &str = "finalists.json";

/// `finalists.json`: the networks that shared scores chose for finals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finalists {
    /// The networks, the best first.
    pub networks: Vec<Architecture>,
    /// Seconds that scoring the candidates took.
    pub seconds: f64,
}

impl Finalists {
    /// Those in [`FINALISTS`] of a run, or those that `choose` gives now, which it then has.
    ///
    /// A killed search goes on with the same ones, also on a processor that rounds otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`](crate::error::Error::Bundle) for a file that cannot be read or written, or
    /// that does not hold 1 to `most` networks that `may` take part. Those of `choose`.
    pub(crate) fn chosen_once(
        run: &RunFolder,
        (most, may): (usize, &dyn Fn(&Architecture) -> bool),
        choose: impl FnOnce() -> Result<Vec<Architecture>>,
    ) -> Result<Finalists> {
        let file = run.file(FINALISTS);
        if !file.exists() {
            let start = Instant::now();
            let chosen = Finalists { networks: choose()?, seconds: start.elapsed().as_secs_f64() };
            run.write_json(FINALISTS, &chosen)?;
            return Ok(chosen);
        }
        let known: Finalists =
            serde_json::from_str(&read_text_file(&file)?).map_err(|e| BundleError::json(&file, &e))?;
        let wrong = |expected: String, found: String| BundleError::invalid(&file, "networks", expected, found).into();
        if !(1..=most).contains(&known.networks.len()) {
            return Err(wrong(format!("1 to {most}"), known.networks.len().to_string()));
        }
        match known.networks.iter().find(|network| !may(network)) {
            Some(other) => Err(wrong("networks of the space within the limits".to_owned(), other.to_string())),
            None => Ok(known),
        }
    }
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
    let mut known: HashSet<Vec<usize>> = found.iter().cloned().collect();
    let softened: Vec<Vec<f64>> = probabilities.iter().map(|p| soften(p, settings.temperature)).collect();
    let mut rng = rng(seed, "candidates for finals", 0);
    for _ in 0..DRAWS * settings.architectures {
        if found.len() >= settings.architectures {
            break;
        }
        let drawn: Vec<usize> = softened.iter().map(|weights| pick(weights, rng.random::<f64>())).collect();
        if fits(&drawn) && known.insert(drawn.clone()) {
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
    let progress = Progress::new("score", settings.architectures as u64);
    let candidates = candidates(strategy.ranked(), &strategy.probabilities(), fits, settings, seed);
    let mut scored = Vec::new();
    for candidate in candidates {
        scored.push((score(&candidate, settings.samples)?, candidate));
        progress.at(scored.len() as u64, String::new);
    }
    // A score that is no number says nothing for its network.
    let rank = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
    scored.sort_by(|(a, _), (b, _)| rank(*b).total_cmp(&rank(*a)));
    progress.line(&format!("finals: {} candidates scored with shared weights", scored.len()));
    Ok(scored.into_iter().map(|(_, candidate)| candidate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::tensors::TensorMap;
    use crate::space::arch_path::ArchPath;
    use crate::strategy::decision::Schedule;

    #[test]
    fn softened_probabilities_are_roots_over_their_sum() {
        let weights = soften(&[0.81, 0.0, 0.01, 0.16], 2.0);
        // Square roots: 0.9, 0, 0.1, 0.4.
        for (weight, root) in weights.iter().zip([0.9, 0.0, 0.1, 0.4]) {
            assert!((weight - root / 1.4).abs() < 1e-12, "{weights:?}");
        }
        assert!(soften(&[0.3, 0.7], 1.0).iter().zip([0.3, 0.7]).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    /// Two blocks of four operations, of which alpha wants the last.
    #[derive(Debug)]
    struct Leaning;

    impl Strategy for Leaning {
        fn name(&self) -> String {
            "leaning".to_owned()
        }

        fn path(&self, _: Schedule, _: &str) -> ArchPath {
            ArchPath::single(&self.best())
        }

        fn best(&self) -> Vec<usize> {
            vec![3, 3]
        }

        fn ranked(&self) -> Box<dyn Iterator<Item = Vec<usize>> + '_> {
            Box::new((0..16).rev().map(|number| vec![number / 4, number % 4]))
        }

        fn probabilities(&self) -> Vec<Vec<f64>> {
            vec![vec![0.05, 0.1, 0.25, 0.6]; 2]
        }

        fn save(&self, _: &mut TensorMap) {}

        fn load(&mut self, _: &TensorMap) -> std::result::Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn shared_scores_rank_and_not_alpha() {
        let settings = CandidateSettings { architectures: 16, samples: 7, temperature: 4.0 };
        let ranked = |score: &dyn Fn(&[usize]) -> f64| {
            let mut score = |choices: &[usize], samples: usize| {
                assert_eq!(samples, 7);
                Ok(score(choices))
            };
            ranked_candidates((&Leaning, None), &settings, 3, &mut score).unwrap()
        };
        let most_probable: Vec<Vec<usize>> = Leaning.ranked().take(8).collect();
        let found = ranked(&|choices| -(choices.iter().sum::<usize>() as f64));
        assert_eq!(found.len(), 16);
        assert_eq!((&found[0], &found[15]), (&vec![0, 0], &vec![3, 3]));
        // Of equal scores the first candidate stays first; what is no number is last.
        assert_eq!(ranked(&|_| 0.5)[..8], most_probable);
        let found = ranked(&|choices| if choices == [3, 3] { f64::NAN } else { 0.5 });
        assert_eq!((&found[0], &found[15]), (&most_probable[1], &most_probable[0]));
    }

    #[test]
    fn finalists_are_chosen_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::claim(folder.path()).unwrap();
        let network = || crate::space::presets::preset("mcan:1").unwrap();
        let choose = |may: bool| Finalists::chosen_once(&run, (2, &move |_| may), || Ok(vec![network()]));
        let first = choose(true).unwrap();
        assert_eq!(first.networks, [network()]);
        let again = Finalists::chosen_once(&run, (2, &|_| true), || panic!("chosen twice")).unwrap();
        assert_eq!(again, first);
        assert!(choose(false).unwrap_err().to_string().contains("within the limits"));
        let three = Finalists { networks: vec![network(), network(), network()], seconds: 0.0 };
        for text in
            ["[7]".to_owned(), r#"{"networks": [], "seconds": 0}"#.to_owned(), serde_json::to_string(&three).unwrap()]
        {
            std::fs::write(run.file(FINALISTS), &text).unwrap();
            let error = choose(true).unwrap_err().to_string();
            assert!(error.contains(FINALISTS), "{text}: {error}");
        }
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
