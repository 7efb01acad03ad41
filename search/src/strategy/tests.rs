//! Tests of every strategy on a synthetic score.
//!
//! Each finds the architecture that the score prefers, and continues from its saved state as
//! before.

use crate::error::Result;
use crate::nn::tensors::TensorMap;
use crate::space::arch_path::ArchPath;
use crate::strategy::decision::Schedule;
use std::path::Path as File;

use mmnas_bundle::Operation;
use mmnas_bundle::latency::costs::{BlockCost, NetworkCosts, StageCosts};
use tch::{Kind, Tensor};

use crate::recipe::limited_part::LimitedPart;
use crate::space::knapsack::Knapsack;
use crate::space::limits::Limit;
use crate::strategy::alpha::Alpha;
use crate::strategy::differentiable::add_hinge;
use crate::strategy::*;

/// The best operation of each block.
const TARGET: [usize; 6] = [1, 0, 2, 3, 0, 1];
const STEPS: u64 = 300;

fn recipe(strategy: &str) -> Recipe {
    let text = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
    let set = [format!("search.strategy={strategy}"), "search.alpha_every=1".to_owned()];
    Recipe::parse(text, File::new("easy_vqa.toml"), &set).unwrap()
}

fn space() -> Space {
    Space::published(2, 4)
}

const ALL: [&str; 7] = [
    r#"{ kind = "gradient", mode = "full" }"#,
    r#"{ kind = "gradient", mode = "two" }"#,
    r#"{ kind = "darts" }"#,
    r#"{ kind = "gumbel", temperature = [5.0, 0.5] }"#,
    r#"{ kind = "random", candidates = 3000, samples = 10 }"#,
    r#"{ kind = "evolution", population = 20, generations = 30, mutation = 0.1, samples = 10 }"#,
    r#"{ kind = "fixed", architecture = "mcan:2" }"#,
];

fn strategy(settings: &str) -> Box<dyn Strategy> {
    build(&recipe(settings), &space(), tch::Device::Cpu, None)
}

/// Gradients of the gates for a synthetic loss.
///
/// The loss is the sum over blocks of 1 − the gate of the target: its gradient is −1 there and 0
/// elsewhere.
fn gradients(path: &ArchPath) -> Result<Vec<Tensor>> {
    let gates = path.gates();
    assert_eq!(gates.len(), TARGET.len());
    let gradient = |(gate, target): (&Tensor, usize)| {
        let towards: Vec<f32> = (0..gate.size()[0]).map(|k| if k as usize == target { -1.0 } else { 0.0 }).collect();
        Tensor::from_slice(&towards).to_kind(Kind::Float)
    };
    Ok(gates.into_iter().zip(TARGET).map(gradient).collect())
}

/// Share of blocks with the target's operation.
///
/// `samples` must be the number that the strategy may ask for.
fn score(choices: &[usize], samples: usize) -> Result<f64> {
    assert_eq!(samples, 10);
    Ok(choices.iter().zip(TARGET).filter(|(a, b)| **a == *b).count() as f64 / TARGET.len() as f64)
}

/// The first of a ranking is what is derived; the others follow it, each once.
#[test]
fn each_ranks_architectures_and_remembers_it() {
    for settings in ALL {
        let mut strategy = strategy(settings);
        run(strategy.as_mut(), 0..40);
        strategy.conclude(&mut score).unwrap();
        let ranked: Vec<_> = strategy.ranked().take(20).collect();
        assert_eq!(ranked[0], strategy.best(), "{}", strategy.name());
        assert_eq!(ranked.len(), if settings.contains("fixed") { 1 } else { 20 }, "{}", strategy.name());
        assert!((1..ranked.len()).all(|k| !ranked[..k].contains(&ranked[k])), "{}", strategy.name());
        if !strategy.learns_alpha() && ranked.len() > 1 {
            let scores: Vec<f64> = ranked.iter().map(|choices| score(choices, 10).unwrap()).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{}: {scores:?}", strategy.name());
        }
        let mut saved = TensorMap::new();
        strategy.save(&mut saved);
        let mut resumed = build(&recipe(settings), &space(), tch::Device::Cpu, None);
        if !saved.is_empty() {
            resumed.load(&saved).unwrap();
        }
        assert_eq!(resumed.ranked().take(20).collect::<Vec<_>>(), ranked, "{}", strategy.name());
    }
}

fn run(strategy: &mut dyn Strategy, steps: std::ops::Range<u64>) {
    for step in steps {
        let schedule = Schedule { step, of: STEPS };
        assert_eq!(strategy.path(schedule, "test").0.len(), TARGET.len());
        if strategy.learns_alpha() {
            strategy.architecture_step(schedule, &mut gradients).unwrap();
        }
    }
}

#[test]
fn each_finds_what_is_best() {
    for settings in &ALL[..6] {
        let mut strategy = strategy(settings);
        run(strategy.as_mut(), 0..STEPS);
        strategy.conclude(&mut score).unwrap();
        let best = strategy.best();
        // 3,000 uniform draws of 1,024 architectures meet the target with a probability of 95 %;
        // this seed does.
        assert_eq!(best, TARGET, "{}", strategy.name());
        for (p, best) in strategy.probabilities().iter().zip(best) {
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(p.iter().all(|&v| v <= p[best]), "{}: {p:?}", strategy.name());
        }
    }
}

#[test]
fn each_goes_on_from_its_state() {
    for settings in ALL {
        let mut whole = strategy(settings);
        run(whole.as_mut(), 0..40);
        let mut saved = TensorMap::new();
        whole.save(&mut saved);
        let saved = saved.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        let mut resumed = strategy(settings);
        resumed.load(&saved).unwrap();
        run(whole.as_mut(), 40..80);
        run(resumed.as_mut(), 40..80);
        assert_eq!(whole.probabilities(), resumed.probabilities(), "{}", whole.name());
        if !saved.is_empty() {
            assert!(strategy(settings).load(&TensorMap::new()).is_err(), "{}", whole.name());
        }
    }
}

#[test]
fn gumbel_is_sharper_as_it_cools() {
    let strategy = strategy(ALL[3]);
    let sharpness = |step: u64| {
        let path = strategy.path(Schedule { step, of: 1000 }, "test");
        let largest = |weights: &&Tensor| weights.max().double_value(&[]);
        path.gates().iter().map(largest).sum::<f64>() / TARGET.len() as f64
    };
    let mean =
        |steps: std::ops::Range<u64>| steps.clone().map(sharpness).sum::<f64>() / (steps.end - steps.start) as f64;
    let (warm, cold) = (mean(0..50), mean(950..1000));
    assert!(cold > warm + 0.2, "{warm} {cold}");
}

#[test]
fn counts_and_temperatures_are_checked() {
    for wrong in [
        r#"{ kind = "random", candidates = 0, samples = 10 }"#,
        r#"{ kind = "gumbel", temperature = [0.0, 1.0] }"#,
        r#"{ kind = "evolution", population = 20, generations = 3, mutation = 1.5, samples = 10 }"#,
        r#"{ kind = "darts", mode = "full" }"#,
        r#"{ kind = "magic" }"#,
    ] {
        let text = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let set = [format!("search.strategy={wrong}")];
        assert!(Recipe::parse(text, File::new("r.toml"), &set).is_err(), "{wrong}");
    }
}

/// Milliseconds of SA, RSA, GA and FFN.
const MILLISECONDS: [f64; 4] = [3.0, 4.0, 5.0, 1.0];

/// Limits on the sum of the blocks' milliseconds.
fn bounds(at_most: f64, weight: f64) -> Bounds {
    let operations = space().operations();
    let cost = |operation: Operation| {
        let place = Operation::DECODER.iter().position(|known| *known == operation).unwrap();
        (operation, BlockCost { each: MILLISECONDS[place], first: 0.0 })
    };
    let stage = |operations: &[Operation], shared: &[Operation]| StageCosts {
        fixed: 0.0,
        blocks: operations.iter().copied().map(cost).collect(),
        shared: shared.iter().map(|operation| (*operation, BlockCost { each: 0.0, first: 0.0 })).collect(),
    };
    let costs = NetworkCosts {
        vision: None,
        text: stage(&Operation::ENCODER, &Operation::DECODER),
        image: stage(&Operation::DECODER, &Operation::DECODER),
        fusion: stage(&Operation::DECODER, &[]),
    };
    let limit = Limit { name: "milliseconds", unit: "ms", costs, part: LimitedPart::All, at_most };
    let knapsack = Knapsack::new(&operations[..2], &operations[2..], vec![limit], File::new("latency.json")).unwrap();
    Bounds { knapsack, weight }
}

/// Every architecture of the space.
fn all() -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    for block in space().blocks() {
        found = found.iter().flat_map(|known| (0..block.len()).map(|k| [known.as_slice(), &[k]].concat())).collect();
    }
    found
}

/// Every strategy finds the best that fits, which none of the limits allows to be the target.
///
/// The target takes 17 ms.
#[test]
fn each_finds_what_is_best_within_limits() {
    let recipe = |settings: &str| recipe(settings);
    let whole = bounds(17.0, 1.0);
    assert!(whole.knapsack.fits(&TARGET) && !bounds(16.5, 1.0).knapsack.fits(&TARGET));
    for at_most in [17.0, 14.0, 9.0, 6.0] {
        let bounds = bounds(at_most, 1.0);
        let fitting: Vec<Vec<usize>> = all().into_iter().filter(|choices| bounds.knapsack.fits(choices)).collect();
        let most = fitting.iter().map(|choices| score(choices, 10).unwrap()).fold(0.0, f64::max);
        for settings in &ALL[..6] {
            let mut strategy = build(&recipe(settings), &space(), tch::Device::Cpu, Some(bounds.clone()));
            run(strategy.as_mut(), 0..STEPS);
            let mut compared = Vec::new();
            strategy
                .conclude(&mut |choices, samples| {
                    compared.push(choices.to_vec());
                    score(choices, samples)
                })
                .unwrap();
            assert!(compared.iter().all(|choices| fitting.contains(choices)), "{settings}");
            let best = strategy.best();
            assert!(fitting.contains(&best), "{settings} {at_most}: {best:?}");
            if strategy.learns_alpha() {
                // By alpha, the most probable of those that fit.
                let p = strategy.probabilities();
                let probability = |choices: &Vec<usize>| choices.iter().zip(&p).map(|(&k, p)| p[k].ln()).sum::<f64>();
                let highest = fitting.iter().map(probability).fold(f64::NEG_INFINITY, f64::max);
                assert!((probability(&best) - highest).abs() < 1e-9, "{settings} {at_most}");
            } else {
                assert_eq!(score(&best, 10).unwrap(), most, "{settings} {at_most}: {best:?}");
            }
        }
    }
}

/// Paths within limits keep them, from the first step on; uniform ones do not.
#[test]
fn paths_that_train_weights_keep_limits_where_they_are_to() {
    let over = |sampling: &str| {
        let evolution = format!(
            r#"{{ kind = "evolution", population = 4, generations = 1, mutation = 0.1, samples = 9, sampling = "{sampling}" }}"#
        );
        let bounds = bounds(9.0, 1.0);
        let strategy = build(&recipe(&evolution), &space(), tch::Device::Cpu, Some(bounds.clone()));
        let paths = (0..200).flat_map(|step| strategy.weight_paths(Schedule { step, of: 200 }, 1));
        let choices = |path: &ArchPath| -> Vec<usize> {
            path.0.iter().map(|choice| (0..4).find(|&k| choice.is_active(k)).unwrap()).collect()
        };
        paths.filter(|path| !bounds.knapsack.fits(&choices(path))).count()
    };
    assert_eq!(over("within"), 0);
    assert!(over("uniform") > 50);
}

/// The hinge decides where the data are indifferent, until the expectation keeps the limit.
#[test]
fn the_hinge_moves_alpha_below_the_limit_and_no_further() {
    for settings in &ALL[..4] {
        let expected = |weight: f64| {
            let bounds = bounds(8.0, weight);
            let mut strategy = build(&recipe(settings), &space(), tch::Device::Cpu, Some(bounds.clone()));
            let mut indifferent = |path: &ArchPath| Ok(gradients(path)?.into_iter().map(|g| g * 0.0).collect());
            for step in 0..STEPS {
                strategy.architecture_step(Schedule { step, of: STEPS }, &mut indifferent).unwrap();
            }
            bounds.knapsack.expectation(0, &strategy.probabilities())
        };
        // Uniform: two blocks of 2 ms, four of 3.25.
        assert!((expected(0.0) - 17.0).abs() < 1e-6, "{settings}");
        let found = expected(1.0);
        assert!(found <= 8.5 && found > 6.1, "{settings}: {found}");
    }
}

#[test]
fn rare_architectures_that_fit_are_drawn() {
    // FFN alone takes 6 ms: one architecture of 1,024 fits.
    let bounds = bounds(6.0, 1.0);
    for seed in 0..3 {
        let drawn = decision::draw(&space(), Some(&bounds), &mut crate::seed::rng(seed, "rare", 0));
        assert_eq!(drawn, [1, 1, 3, 3, 3, 3]);
    }
}

#[test]
fn the_gradient_of_the_hinge_is_that_of_its_expectation() {
    let values =
        [vec![0.3f32, -0.2], vec![0.1, 0.4], vec![0.9, 0.1, -0.3, 0.2], vec![0.0; 4], vec![0.0; 4], vec![0.5; 4]];
    let bounds = bounds(7.0, 2.0);
    let of = |values: &[Vec<f32>]| Alpha::from_values(&space(), values);
    let hinge =
        |values: &[Vec<f32>]| 2.0 * (bounds.knapsack.expectation(0, &of(values).probabilities()) / 7.0 - 1.0).max(0.0);
    let mut ours: Vec<Tensor> =
        values.iter().map(|v| Tensor::zeros([v.len() as i64], (Kind::Float, tch::Device::Cpu))).collect();
    add_hinge(&bounds, &of(&values), &mut ours);
    for (block, gradient) in ours.iter().enumerate() {
        for choice in 0..values[block].len() {
            let moved = |by: f32| {
                let mut moved = values.to_vec();
                moved[block][choice] += by;
                hinge(&moved)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((gradient.double_value(&[choice as i64]) - slope).abs() < 1e-4, "{block} {choice}");
        }
    }
}

#[test]
fn limits_are_checked() {
    let text = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
    let error = |limits: &str| {
        let set = [format!("search.limits={limits}")];
        Recipe::parse(text, File::new("r.toml"), &set).unwrap_err().to_string()
    };
    for (limits, words) in [
        ("{ milliseconds = 0.0 }", "search.limits.milliseconds"),
        ("{ milliseconds = nan }", "search.limits.milliseconds"),
        ("{ megabytes = -1.0 }", "search.limits.megabytes"),
        ("{ memory = inf }", "search.limits.memory"),
        ("{ millijoules = 0 }", "search.limits.millijoules"),
        ("{ parameters = 0 }", "search.limits.parameters"),
        ("{ }", "at least one of milliseconds"),
        ("{ milliseconds = 1.0, weight = -1.0 }", "search.limits.weight"),
        ("{ milliseconds = 1.0, of = \"pixel\" }", "search.limits"),
        ("{ milliseconds = 1.0, form = \"ort-fp8\" }", "ort-fp8"),
        ("{ seconds = 1.0 }", "seconds"),
    ] {
        let error = error(limits);
        assert!(error.contains(words) && error.contains("r.toml"), "{limits}: {error}");
    }
}
