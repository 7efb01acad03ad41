//! What a finished search would derive under a limit, from the probabilities that it logged.

use std::path::Path;

use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::{Dimensions, Form};
use mmnas_bundle::{Error as BundleError, Operation, read_text_file};

use crate::error::Result;
use crate::recipe::Recipe;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes::probabilities;
use crate::run::files::{LOG, RECIPE};
use crate::run::folder::RunFolder;
use crate::run::searched_blocks::blocks;
use crate::space::limited_part::LimitedPart;
use crate::space::under_limit::{ScoredBlocks, UnderLimit, best_under_limit};

/// Checks that a table is of networks as wide as the run's recipe retrains them.
///
/// What the data decides is not in the recipe: features, words and outputs are the table's.
fn check_sizes(folder: &RunFolder, table: &LatencyTable, file: &Path) -> Result<()> {
    let recipe_file = folder.file(RECIPE);
    let recipe = Recipe::parse_checked(&read_text_file(&recipe_file)?, &recipe_file, &[], |_| Ok(()))?;
    let Dimensions { feature, vocabulary, outputs, embeddings, .. } = table.dimensions;
    let sizes = Dimensions { feature, vocabulary, outputs, embeddings, ..recipe.widths(recipe.retrain.hidden) };
    Ok(table.check_network(table.task, &sizes, file)?)
}

/// Derives the most probable architecture of the search in `run` within a limit, without any training.
///
/// Scores are the logarithms of the probabilities that alpha gave the operations in the last epoch. `file` names the
/// table in errors. The limit holds at the sizes, tokens and regions of the table.
///
/// # Errors
/// A table of another task or of other sizes than the run's recipe retrains at, or without the form; a run that cannot be read, or without probabilities (a search without
/// alpha has none); those of [`best_under_limit`].
pub fn derive_under_limit(
    run: &Path,
    table: &LatencyTable,
    file: &Path,
    form: Form,
    part: LimitedPart,
    milliseconds: f64,
) -> Result<UnderLimit> {
    let costs = NetworkCosts::of(table, file, form, Quantity::Milliseconds)?;
    let folder = RunFolder::at(run);
    let (searched, measured) = (folder.inputs()?.task, table.task.to_string());
    if searched != measured {
        return Err(BundleError::invalid(file, "task", format!("{searched}, as searched"), measured).into());
    }
    check_sizes(&folder, table, file)?;
    let log = folder.file(LOG);
    let records: Vec<EpochRecord> = mmnas_bundle::samples::read_json_lines(&log)?;
    let last = records.iter().rev().find_map(probabilities).ok_or_else(|| {
        let expected = "probabilities of operations, which a search with alpha logs";
        BundleError::invalid(&log, "probabilities", expected, "none")
    })?;
    let mut scored = ScoredBlocks { encoder: Vec::new(), decoder: Vec::new() };
    for (block, probabilities) in blocks(&folder, &records)?.into_iter().zip(last) {
        let mut choices = Vec::new();
        for (name, p) in block.operations.iter().zip(probabilities) {
            let operation: Operation = name.parse().map_err(|_| {
                BundleError::invalid(&log, block.name(), "the name of an operation", format!("{name:?}"))
            })?;
            // A probability of 0 is one too small to write.
            choices.push((operation, p.max(f64::MIN_POSITIVE).ln()));
        }
        if block.decoder { scored.decoder.push(choices) } else { scored.encoder.push(choices) }
    }
    best_under_limit(&scored, &costs, part, milliseconds, file)
}
