//! Points, baselines and random architectures of a front, from costs and scores.

use mmnas_bundle::Architecture;
use mmnas_bundle::latency::costs::Quantity;

use crate::error::Result;
use crate::pareto::known_scores::KnownScores;
use crate::pareto::nsga2::{Nsga2, Objectives};
use crate::progress::Progress;
use crate::seed::rng;
use crate::space::front::{Cost, FrontPoint, FrontReference, FrontSettings, undominated};
use crate::space::search_space::Space;

/// A named architecture to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// Its operations.
    pub architecture: Architecture,
}

/// What was found, the points cheapest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The front.
    pub points: Vec<FrontPoint>,
    /// The baselines in their order; those that are not in the space have no accuracy.
    pub baselines: Vec<FrontReference>,
    /// Architectures drawn uniformly.
    pub random: Vec<FrontReference>,
}

/// What an architecture takes.
pub type CostOf<'a> = dyn Fn(&Architecture) -> Result<f64> + 'a;

/// Evolves the front of `space`; scores that are not `known` come from `score`.
///
/// The front is of all architectures that the evolution scored. Baselines of the space are in its
/// first generation, so that it never lies below them. Random ones stand beside it.
///
/// # Errors
/// Those of `cost` and `score`; scores that cannot be kept.
pub fn evolve(
    space: &Space,
    quantity: Quantity,
    cost: &CostOf<'_>,
    settings: &FrontSettings,
    baselines: &[Baseline],
    known: &mut KnownScores,
    score: &mut dyn FnMut(&[usize]) -> Result<f64>,
) -> Result<Found> {
    let FrontSettings { population, generations, mutation, seed, .. } = *settings;
    let beside = baselines.len() + settings.random;
    let progress = Progress::new("pareto", (beside + population * (generations + 1)) as u64);
    let reference = |name: String, architecture: Architecture, accuracy: Option<f64>| -> Result<FrontReference> {
        let cost = Cost::of(quantity, cost(&architecture)?);
        Ok(FrontReference { name, architecture, cost, accuracy, from: None })
    };
    let mut found = Found { points: Vec::new(), baselines: Vec::new(), random: Vec::new() };
    let mut first: Vec<Vec<usize>> = Vec::new();
    for Baseline { name, architecture } in baselines {
        let choices = space.choices_of(architecture);
        let accuracy = choices.as_deref().map(|choices| known.score(choices, score)).transpose()?;
        first.extend(choices);
        found.baselines.push(reference(name.clone(), architecture.clone(), accuracy)?);
    }
    for (k, choices) in drawn(space, settings.random, seed).into_iter().enumerate() {
        let accuracy = Some(known.score(&choices, score)?);
        found.random.push(reference(format!("random {}", k + 1), space.architecture(&choices), accuracy)?);
        progress.at((baselines.len() + k + 1) as u64, || "random architectures".to_owned());
    }
    known.save()?;
    let blocks: Vec<usize> = space.blocks().map(<[_]>::len).collect();
    let mut best: Vec<Objectives> = Vec::new();
    let scored =
        Nsga2 { population, generations, mutation, seed }.evolve(&blocks, &first, &mut |generation, new| {
            let mut scored = Vec::with_capacity(new.len());
            for (k, choices) in new.iter().enumerate() {
                let cost = cost(&space.architecture(choices))?;
                scored.push(Objectives { cost, accuracy: known.score(choices, score)? });
                progress.at((beside + population * generation + k + 1) as u64, || format!("generation {generation}"));
            }
            known.save()?;
            best.extend(&scored);
            best = undominated(std::mem::take(&mut best), |o| (o.cost, o.accuracy));
            progress.line(&told(generation, &best, quantity));
            Ok(scored)
        })?;
    progress.finish();
    let point = |(choices, o): (Vec<usize>, Objectives)| FrontPoint {
        architecture: space.architecture(&choices),
        cost: Cost::of(quantity, o.cost),
        accuracy: o.accuracy,
        from: None,
    };
    let points = scored.into_iter().map(point).collect();
    found.points = undominated(points, |p: &FrontPoint| (p.cost.amount(), p.accuracy));
    Ok(found)
}

/// What is told after a generation.
fn told(generation: usize, best: &[Objectives], quantity: Quantity) -> String {
    let (Some(first), Some(last)) = (best.first(), best.last()) else { return format!("generation {generation}") };
    format!(
        "generation {generation}: {} points, {:.3} to {:.3} {}, {:.2} to {:.2} %",
        best.len(),
        first.cost,
        last.cost,
        quantity.unit(),
        100.0 * first.accuracy,
        100.0 * last.accuracy
    )
}

/// `count` different architectures, drawn uniformly; all of a space that has fewer.
fn drawn(space: &Space, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = rng(seed, "random architectures", 0);
    let mut drawn: Vec<Vec<usize>> = Vec::new();
    for _ in 0..100 * count {
        if drawn.len() == count {
            break;
        }
        let choices = space.draw(&mut rng);
        if !drawn.contains(&choices) {
            drawn.push(choices);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::error::Error;

    const SETTINGS: FrontSettings =
        FrontSettings { population: 8, generations: 5, mutation: 0.2, samples_compared: 1, random: 5, seed: 3 };

    fn cost(architecture: &Architecture) -> Result<f64> {
        let of = |operation: &mmnas_bundle::Operation| 1.0 + operation.name().len() as f64 / 7.0;
        Ok(architecture.encoder.iter().chain(&architecture.decoder).map(of).sum())
    }

    fn accuracy(choices: &[usize]) -> f64 {
        let sum: usize = choices.iter().enumerate().map(|(block, k)| (block + 3) * k).sum();
        (sum as f64 + 0.1).ln().sin().abs()
    }

    fn baselines() -> Vec<Baseline> {
        let of =
            |name: &str| Baseline { name: name.to_owned(), architecture: crate::space::presets::preset(name).unwrap() };
        vec![of("mcan:1"), of("mcan:2")]
    }

    /// Evolves with scores of `left` calls, then with an error.
    fn evolved(out: &Path, seed: u64, left: usize) -> (Result<Found>, usize) {
        let settings = FrontSettings { seed, ..SETTINGS };
        let serde_json::Value::Object(decide) = json!({ "run": "a", "seed": seed }) else { unreachable!() };
        let mut calls = 0;
        let mut score = |choices: &[usize]| {
            calls += 1;
            if calls > left { Err(Error::EmptyPart { part: "test", images: 0 }) } else { Ok(accuracy(choices)) }
        };
        let found = KnownScores::open(out, decide).and_then(|mut known| {
            let space = Space::published(2, 3);
            evolve(&space, Quantity::Milliseconds, &cost, &settings, &baselines(), &mut known, &mut score)
        });
        (found, calls)
    }

    #[test]
    fn the_front_never_lies_below_a_baseline_of_the_space() {
        let folder = tempfile::tempdir().unwrap();
        let (found, calls) = evolved(&folder.path().join("front.json"), 3, usize::MAX);
        let found = found.unwrap();
        let space = Space::published(2, 3);
        for point in &found.points {
            let choices = space.choices_of(&point.architecture).unwrap();
            assert_eq!((point.cost.amount(), point.accuracy), (cost(&point.architecture).unwrap(), accuracy(&choices)));
        }
        let [one, two] = found.baselines.as_slice() else { panic!("{:?}", found.baselines) };
        let choices = space.choices_of(&one.architecture).unwrap();
        assert_eq!((one.name.as_str(), one.accuracy), ("mcan:1", Some(accuracy(&choices))));
        let reaches = |p: &FrontPoint| p.cost.amount() <= one.cost.amount() && Some(p.accuracy) >= one.accuracy;
        assert!(found.points.iter().any(reaches), "{found:?}");
        assert_eq!((two.name.as_str(), two.accuracy), ("mcan:2", None), "of four and six blocks");
        assert!(two.cost.amount() > one.cost.amount());
        assert_eq!(found.random.len(), 5);
        assert!(found.random.iter().all(|r| r.accuracy.is_some()) && calls <= 1 + 5 + 8 * 6, "{calls}");
    }

    #[test]
    fn a_killed_run_goes_on_to_the_same_front() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, calls) = evolved(&folder.path().join("whole.json"), 3, usize::MAX);
        let whole = whole.unwrap();
        let out = folder.path().join("front.json");
        let partial = folder.path().join("front.json.partial");
        let (mut all, mut stops) = (0, 0);
        let found = loop {
            // In the random ones, in the first generation, in later ones.
            let (found, made) = evolved(&out, 3, 7 + 4 * stops);
            all += made;
            match found {
                Ok(found) => break found,
                Err(error) => assert!(matches!(error, Error::EmptyPart { .. }), "{error}"),
            }
            stops += 1;
        };
        assert!(stops >= 3 && all > calls, "{stops} stops, {all} scores instead of {calls}");
        assert_eq!(found, whole);
        assert!(partial.exists(), "it is the caller who removes it");
        // Everything is known: nothing is scored again.
        let (again, made) = evolved(&out, 3, 0);
        assert_eq!((again.unwrap(), made), (whole, 0));

        let error = evolved(&out, 4, 0).0.unwrap_err().to_string();
        assert!(error.contains("front.json.partial") && error.contains("seed 3; found 4"), "{error}");
        std::fs::write(&partial, "{").unwrap();
        assert!(evolved(&out, 3, 0).0.unwrap_err().to_string().contains("front.json.partial"));
    }
}
