//! The limits that a recipe sets on a search.

use std::path::Path;

use mmnas_bundle::manifest::{Dimensions, TaskName};

use crate::error::Result;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::strategy::PathSampling;
use crate::space::knapsack::Knapsack;
use crate::space::limits::{Latency, limits};
use crate::space::search_space::Space;
use crate::strategy::decision::Bounds;
use crate::task::{Reduction, Task};
use crate::train::dimensions::dimensions;
use crate::train::parameter_costs::parameter_costs;

/// Checks that a table is of networks of the task with these sizes.
///
/// # Errors
///
/// [`crate::error::Error::Bundle`] with the first field that differs.
pub(crate) fn check_table<T: Task>(Latency { table, file, .. }: &Latency, dimensions: &Dimensions) -> Result<()> {
    let task = serde_json::from_value::<TaskName>(T::NAME.into()).map_err(|_| {
        let (expected, found) = (format!("{}, as the network's", T::NAME), table.task.to_string());
        mmnas_bundle::Error::invalid(file, "task", expected, found)
    })?;
    Ok(table.check_network(task, dimensions, file)?)
}

/// What the recipe's search of `space` has to keep; none without limits.
///
/// # Errors
///
/// [`crate::error::Error::NothingFits`] if no architecture of the space keeps the limits.
/// [`crate::error::Error::Bundle`] for a limit without its table, or a table of another task, of
/// other sizes, or that lacks an operation of the space; paths that are to be within limits, of which
/// there are none.
pub fn bounds<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    task: &T,
    space: &Space,
    latency: Option<&Latency>,
) -> Result<Option<Bounds>> {
    let Some(settings) = &recipe.search.limits else {
        return match latency {
            Some(Latency { file, .. }) => {
                let found = format!("none, and the table {}", file.display());
                Err(mmnas_bundle::Error::invalid("recipe", "search.limits", "a limit that the table is for", found)
                    .into())
            }
            None if recipe.search.strategy.sampling() == Some(PathSampling::Within) => {
                let (expected, found) = ("uniform or fair without search.limits", "within");
                Err(mmnas_bundle::Error::invalid("recipe", "search.strategy.sampling", expected, found).into())
            }
            None => Ok(None),
        };
    };
    let dimensions = dimensions(recipe, task, recipe.retrain.hidden);
    latency.map_or(Ok(()), |latency| check_table::<T>(latency, &dimensions))?;
    let list = limits(settings, latency, || parameter_costs::<T>(space, pool, &dimensions))?;
    let operations = space.operations();
    let (encoder, decoder) = operations.split_at(space.encoder.len());
    let file = latency.map_or(Path::new("recipe"), |latency| latency.file.as_path());
    // The loss of an architecture step is a sum over its samples, or their mean.
    let samples = if T::REDUCTION == Reduction::Sum { recipe.search.alpha_batch as f64 } else { 1.0 };
    Ok(Some(Bounds { knapsack: Knapsack::new(encoder, decoder, list, file)?, weight: settings.weight * samples }))
}
