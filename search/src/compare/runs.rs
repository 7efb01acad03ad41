//! The runs of a comparison.

use mmnas_bundle::Architecture;
use std::path::Path;

use crate::compare::contender::Contender;
use crate::compare::outcome::Outcome;
use crate::error::Result;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::run::folder::RunFolder;
use crate::task::Task;
use crate::train::{retrain, search};

pub(crate) fn seconds(records: &[crate::run::epoch_log::EpochRecord]) -> f64 {
    records.iter().map(|r| r.seconds).sum()
}

/// The recipe of a contender's runs.
pub(crate) fn recipe_of(recipe: &Recipe, contender: &Contender, seed: u64) -> Recipe {
    let mut recipe = Recipe { seed, ..recipe.clone() };
    match contender {
        Contender::Search { strategy, .. } => recipe.search.strategy = strategy.clone(),
        Contender::UnimodalBaseline { modalities, .. } => recipe.model.modalities = *modalities,
        _ => {}
    }
    recipe
}

/// The folder of a contender's runs with one seed.
pub(crate) fn folder(out: &Path, contender: &Contender, seed: u64) -> std::path::PathBuf {
    out.join(contender.folder_name()).join(format!("seed-{seed}"))
}

/// Settings of all runs of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Folder of the runs.
    pub out: &'a Path,
    /// The operations that recipes and architectures name.
    pub pool: &'a Pool,
    /// The number of parameters of every retrained network, if it is set.
    ///
    /// The networks come as near to it as their width allows. Without it they have the recipe's H.
    pub parameters: Option<u64>,
}

/// Locks a contender's runs with one seed while the returned value lives.
///
/// # Errors
///
/// [`Error::RunBusy`](crate::error::Error::RunBusy) if another process works on them.
/// [`Error::Bundle`](crate::error::Error::Bundle) if the folder or its lock cannot be created.
pub fn claim(out: &Path, contender: &Contender, seed: u64) -> Result<RunFolder> {
    RunFolder::claim(&folder(out, contender, seed))
}

/// Searches, if the contender does, and retrains its architecture.
///
/// Runs that lie there already are continued. From then on the task's data shows only the
/// contender's modalities. If other processes work on the comparison too, call [`claim`] first.
///
/// # Errors
///
/// Those of [`search`](search::search), [`retrain`](retrain::retrain) and [`RunFolder::open`].
/// Those of the contender's architecture, if it cannot be read or built.
pub fn run_contender<T: Task>(
    recipe: &Recipe,
    task: &mut T,
    contender: &Contender,
    seed: u64,
    rules: Rules<'_>,
) -> Result<Outcome> {
    let Rules { out, pool, parameters } = rules;
    let recipe = recipe_of(recipe, contender, seed);
    task.data_mut().set_modalities(recipe.model.modalities);
    let task = &*task;
    let folder = folder(out, contender, seed);
    let (architecture, search_seconds) = match contender {
        Contender::Search { .. } => {
            let run = RunFolder::open(&folder.join("search"), &recipe, &task.data().run_inputs(T::NAME, None), true)?;
            let found = search::search(&recipe, pool, task, &run, None)?;
            (found.architecture, seconds(&found.records))
        }
        _ => (contender.architecture(&recipe, pool)?, 0.0),
    };
    let recipe = match parameters {
        Some(parameters) => crate::compare::equal::of_equal_size(&recipe, pool, task, &architecture, parameters)?,
        None => recipe,
    };
    let trained = retrained(&recipe, task, &architecture, &folder.join("retrain"), rules)?;
    Ok(Outcome {
        contender: contender.to_string(),
        seed,
        architecture,
        validation: trained.validation,
        metrics: trained.metrics,
        parameters: trained.parameters,
        hidden: recipe.retrain.hidden,
        search_seconds,
        retrain_seconds: seconds(&trained.records),
    })
}

pub(crate) fn retrained<T: Task>(
    recipe: &Recipe,
    task: &T,
    architecture: &Architecture,
    folder: &Path,
    Rules { pool, .. }: Rules<'_>,
) -> Result<retrain::RetrainResult> {
    let inputs = task.data().run_inputs(T::NAME, Some(architecture));
    retrain::retrain(recipe, pool, architecture, task, &RunFolder::open(folder, recipe, &inputs, true)?)
}
