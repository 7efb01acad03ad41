//! What a finished search would derive within limits, from the probabilities that it logged.

use std::path::Path;

use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::{Architecture, Error as BundleError, Operation};

use crate::error::Result;
use crate::recipe::limits::LimitSettings;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes::probabilities;
use crate::run::files::LOG;
use crate::run::folder::RunFolder;
use crate::run::searched_blocks::blocks;
use crate::space::knapsack::Knapsack;
use crate::space::limits::{Latency, Taken, limits};
use crate::strategy::differentiable::log_probabilities;

/// An architecture within limits, and what it is predicted to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The architecture.
    pub architecture: Architecture,
    /// What it takes, limit by limit.
    pub taken: Vec<Taken>,
    /// Logarithm of its probability by alpha.
    pub log_probability: f64,
}

/// Checks that a table is of networks as wide as the run's recipe retrains them.
///
/// What the data decides is not in the recipe: features, words and outputs are the table's.
pub(crate) fn check_sizes(folder: &RunFolder, table: &LatencyTable, file: &Path) -> Result<()> {
    let recipe = folder.recipe()?;
    let Dimensions { feature, vocabulary, outputs, embeddings, .. } = table.dimensions;
    let sizes = Dimensions { feature, vocabulary, outputs, embeddings, ..recipe.widths(recipe.retrain.hidden) };
    Ok(table.check_network(table.task, &sizes, file)?)
}

/// Derives the most probable architecture of the search in `run` within limits, without any training.
///
/// Probabilities are those that alpha gave the operations in the last epoch. The limits hold at the
/// sizes, tokens and regions of the table.
///
/// # Errors
/// A table of another task or of other sizes than the run's recipe retrains at, or without the
/// form; a run that cannot be read, or without probabilities (a search without alpha has none); a
/// limit on parameters, whose sizes no search records; those of [`Knapsack::new`].
pub fn derive_within_limits(run: &Path, latency: &Latency, settings: &LimitSettings) -> Result<Derived> {
    let folder = RunFolder::at(run);
    let (searched, measured) = (folder.inputs()?.task, latency.table.task.to_string());
    if searched != measured {
        return Err(BundleError::invalid(&latency.file, "task", format!("{searched}, as searched"), measured).into());
    }
    check_sizes(&folder, &latency.table, &latency.file)?;
    let parameters = || {
        let expected = "a limit in a recipe, for mmnas-search search: a search does not record the sizes of its data";
        Err(BundleError::invalid(run, "parameters", expected, "a limit").into())
    };
    let limits = limits(settings, Some(latency), parameters)?;
    let log = folder.file(LOG);
    let records: Vec<EpochRecord> = mmnas_bundle::samples::read_json_lines(&log)?;
    let last = records.iter().rev().find_map(probabilities).ok_or_else(|| {
        let expected = "probabilities of operations, which a search with alpha logs";
        BundleError::invalid(&log, "probabilities", expected, "none")
    })?;
    let (mut encoder, mut decoder) = (Vec::new(), Vec::new());
    for block in blocks(&folder, &records)? {
        let operation = |name: &String| {
            let wrong = || BundleError::invalid(&log, block.name(), "the name of an operation", format!("{name:?}"));
            name.parse::<Operation>().map_err(|_| wrong())
        };
        let operations = block.operations.iter().map(operation).collect::<std::result::Result<Vec<_>, _>>()?;
        if block.decoder { decoder.push(operations) } else { encoder.push(operations) }
    }
    let knapsack = Knapsack::new(&encoder, &decoder, limits, &latency.file)?;
    let best = knapsack.best(&log_probabilities(&last));
    let taken = knapsack.taken(&best.choices).unwrap_or_default();
    let mut picked = encoder.iter().chain(&decoder).zip(&best.choices).map(|(block, &choice)| block[choice]);
    let encoder = picked.by_ref().take(encoder.len()).collect();
    let architecture = Architecture { encoder, decoder: picked.collect() };
    Ok(Derived { architecture, taken, log_probability: best.score })
}
