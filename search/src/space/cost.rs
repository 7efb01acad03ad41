//! Cost of operations on a device, and its weight in a search.
//!
//! The published objective has no cost.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Kind, Tensor, nn};

use crate::error::{Error, Result};
use crate::nn::dropout::Dropout;
use crate::nn::relation::biases;
use crate::operations::Context;
use crate::operations::pool::{Candidate, Pool};
use crate::precision::MatmulPrecision;
use crate::recipe::Recipe;
use crate::recipe::cost::CostSettings;
use crate::space::search_space::Space;

/// The weighted, relative cost of each operation of each block.
///
/// The error is the name of an operation without a cost.
pub(crate) fn relative_costs(settings: &CostSettings, space: &Space) -> std::result::Result<Vec<Vec<f64>>, String> {
    let cost = |candidate: &Candidate| {
        let known = settings.milliseconds.get(candidate.name()).filter(|ms| **ms >= 0.0 && ms.is_finite());
        known.copied().ok_or_else(|| candidate.name().to_owned())
    };
    let costs: Vec<Vec<f64>> =
        space.blocks().map(|block| block.iter().map(cost).collect()).collect::<std::result::Result<_, _>>()?;
    let count = costs.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let mean = (costs.iter().flatten().sum::<f64>() / count).max(f64::MIN_POSITIVE);
    Ok(costs.into_iter().map(|block| block.into_iter().map(|c| settings.weight * c / mean).collect()).collect())
}

/// Sizes of the measured input: one sample.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Regions of the image.
    pub regions: i64,
    /// Tokens of the text.
    pub tokens: i64,
    /// Number of runs of each operation; the median counts.
    pub repetitions: usize,
}

/// Measures the median milliseconds of each operation of the recipe's space.
///
/// The operations run in turns, at the retraining's width.
///
/// # Errors
///
/// Those of [`Recipe::space`]. [`Error::Operation`] if an operation cannot be built at that width.
/// [`Error::NotFinite`] if an operation's output is not finite.
pub fn measure(recipe: &Recipe, pool: &Pool, sizes: Sizes, device: Device) -> Result<BTreeMap<String, f64>> {
    let _guard = tch::no_grad_guard();
    let dimensions = recipe.widths(recipe.retrain.hidden);
    let (h, float) = (dimensions.hidden as i64, (Kind::Float, device));
    let space = recipe.space(pool)?;
    space.check(&dimensions)?;
    let text = Tensor::randn([1, sizes.tokens, h], float);
    let regions = Tensor::randn([1, sizes.regions, h], float);
    let states = Tensor::randn([dimensions.relation as i64, 1, sizes.regions, sizes.regions], float);
    let encoder = space.encoder.len();
    let mut modules = BTreeMap::new();
    for (block, candidates) in space.blocks().enumerate() {
        for candidate in candidates {
            // An operation of both stacks is timed over the regions, of which there are more.
            let store = nn::VarStore::new(device);
            let module = candidate.build(&store.root(), &dimensions);
            modules.insert(candidate.name().to_owned(), (module, block < encoder));
        }
    }
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for repetition in 0..=sizes.repetitions {
        for (name, (module, over_text)) in &modules {
            let x = if *over_text { &text } else { &regions };
            let started = Instant::now();
            let bias = module.relation_projection().map(|projection| biases(&states, &[projection]).remove(0));
            let context = Context::new(None, Dropout(0.0), MatmulPrecision::Float32);
            let context = Context { text: Some(&text), relation_bias: bias.as_ref(), ..context };
            // Reading a number waits for the device.
            let sum = module.forward(x, &context).sum(Kind::Float).double_value(&[]);
            if !sum.is_finite() {
                return Err(Error::NotFinite {
                    epoch: 0,
                    step: repetition,
                    what: "output of an operation",
                    value: sum,
                });
            }
            // The first is a warm-up.
            if repetition > 0 {
                times.entry(name).or_default().push(1e3 * started.elapsed().as_secs_f64());
            }
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    Ok(times.into_iter().map(|(name, times)| (name.to_owned(), median(times))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_operation_of_the_space_is_measured() {
        let text = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let set = ["space.decoder_operations=[\"rel_self_att_64\", \"feed_forward_32\", \"skip_connect\"]".to_owned()];
        let recipe = Recipe::parse(text, Path::new("easy_vqa.toml"), &set).unwrap();
        let costs =
            measure(&recipe, &Pool::standard(), Sizes { regions: 30, tokens: 5, repetitions: 3 }, Device::Cpu).unwrap();
        let names: Vec<&str> = costs.keys().map(String::as_str).collect();
        assert_eq!(names, ["feed_forward", "feed_forward_32", "rel_self_att_64", "self_att_64", "skip_connect"]);
        assert!(costs.values().all(|ms| *ms > 0.0 && ms.is_finite()));
        assert!(
            relative_costs(
                &CostSettings { weight: 1.0, milliseconds: costs },
                &recipe.space(&Pool::standard()).unwrap()
            )
            .is_ok()
        );
    }
}
