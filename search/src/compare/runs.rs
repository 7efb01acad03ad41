//! The runs of a comparison.

use mmnas_bundle::Architecture;
use std::path::Path;

use crate::compare::contender::{Contender, RANDOM_ARCHITECTURE};
use crate::compare::equal_time::EqualTime;
use crate::compare::outcome::Outcome;
use crate::error::Result;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::finals::FinalSettings;
use crate::run::folder::RunFolder;
use crate::seed::rng;
use crate::space::limits::Latency;
use crate::task::Task;
use crate::train::bounds::bounds;
use crate::train::finals::Finals;
use crate::train::{retrain, search};

pub(crate) fn seconds(records: &[crate::run::epoch_log::EpochRecord]) -> f64 {
    records.iter().map(|r| r.seconds).sum()
}

/// The recipe of a contender's runs.
pub(crate) fn recipe_of(recipe: &Recipe, contender: &Contender, seed: u64) -> Recipe {
    let mut recipe = Recipe { seed, ..recipe.clone() };
    if let Contender::OfWidth { hidden, .. } = contender {
        recipe = recipe.at_width(*hidden);
    }
    match contender.of_any_width() {
        Contender::Search { strategy, .. } => {
            recipe.search.strategy = strategy.clone();
            // Candidates are drawn from alpha; the finals of the others have what they rank first.
            if let Some(finals) = recipe.search.finals.as_mut().filter(|_| !strategy.has_alpha()) {
                finals.candidates = None;
            }
        }
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
    /// The time that the networks may take, if it is limited.
    pub time: Option<&'a EqualTime>,
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

/// Checks that a contender's run with `seed` can begin: before the first run, which may take hours.
///
/// A file in one of the places `made_here` may come from an earlier contender and is not checked.
///
/// # Errors
///
/// Those of [`Contender::check`]. [`Error::NothingFits`](crate::error::Error::NothingFits) if
/// nothing keeps the time limit, or the recipe's own limits.
pub fn check_run<T: Task>(
    recipe: &Recipe,
    task: &T,
    (contender, seed): (&Contender, u64),
    rules: Rules<'_>,
    made_here: &[&Path],
) -> Result<()> {
    let own = recipe_of(recipe, contender, seed);
    match (contender.of_any_width(), rules.time) {
        (Contender::Search { .. }, time) => {
            let latency = time.map(|time| time.table(&own)).transpose()?;
            let own = time.map_or_else(|| own.clone(), |time| time.limited(&own));
            let space = own.space(rules.pool)?;
            space.check(&own.widths(own.search.weights.hidden))?;
            bounds(&own, rules.pool, task, &space, latency).map(|_| ())
        }
        (Contender::RandomArchitecture | Contender::BestOfRandom { .. }, Some(_)) => random(&own, rules, 0).map(|_| ()),
        (Contender::ScaledMcan, Some(time)) => time.scaled_mcan(&own).map(|_| ()),
        (_, time) => {
            contender.check(&own, rules.pool, seed, made_here)?;
            let Some(time) = time else { return Ok(()) };
            time.table(&own)?;
            // The file of an earlier contender may not be there yet.
            let known = contender.architecture(&own, rules.pool).ok();
            known.map_or(Ok(()), |architecture| time.predict(&own, &architecture).map(|_| ()))
        }
    }
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
    let Rules { out, pool, time, .. } = rules;
    let recipe = recipe_of(recipe, contender, seed);
    task.data_mut().set_modalities(recipe.model.modalities);
    let task = &*task;
    let folder = folder(out, contender, seed);
    let found = match contender.of_any_width() {
        Contender::Search { .. } => searched(&recipe, task, &folder.join("search"), rules)?,
        Contender::BestOfRandom { count } => best_of_random(&recipe, task, *count, &folder, rules)?,
        Contender::RandomArchitecture => Found::new(random(&recipe, rules, 0)?),
        Contender::ScaledMcan if let Some(time) = time => {
            let (recipe, architecture) = time.scaled_mcan(&recipe)?;
            Found { recipe: Some(recipe), ..Found::new(architecture) }
        }
        _ => Found::new(contender.architecture(&recipe, pool)?),
    };
    let (architecture, search_seconds) = (found.architecture, found.search_seconds);
    let recipe = found.recipe.unwrap_or(recipe);
    let mut recipe = sized(&recipe, task, &architecture, rules)?;
    recipe.retrain =
        recipe.retrain.at_rate(found.finals.as_ref().and_then(Finals::winner).map_or(1.0, |winner| winner.rate));
    // Before the training: what cannot be predicted is told now.
    let milliseconds = time.map(|time| time.predict(&recipe, &architecture)).transpose()?;
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
        learning_rate: Some(recipe.retrain.adam.lr),
        finals: found.finals,
        milliseconds,
    })
}

/// What a contender is to retrain.
struct Found {
    architecture: Architecture,
    /// The recipe of its width, where that is not the comparison's.
    recipe: Option<Recipe>,
    search_seconds: f64,
    finals: Option<Finals>,
}

impl Found {
    fn new(architecture: Architecture) -> Found {
        Found { architecture, recipe: None, search_seconds: 0.0, finals: None }
    }
}

/// The folder of a search, its recipe within the time limit if there is one, and the table of that.
pub(crate) fn search_run<'a, T: Task>(
    recipe: &Recipe,
    task: &T,
    folder: &Path,
    rules: Rules<'a>,
) -> Result<(RunFolder, Recipe, Option<&'a Latency>)> {
    let latency = rules.time.map(|time| time.table(recipe)).transpose()?;
    let recipe = rules.time.map_or_else(|| recipe.clone(), |time| time.limited(recipe));
    let inputs = task.data().run_inputs(T::NAME, None).with_latency(latency);
    Ok((RunFolder::open(folder, &recipe, &inputs, true)?, recipe, latency))
}

/// What a search finds, within the time limit if there is one.
fn searched<T: Task>(recipe: &Recipe, task: &T, folder: &Path, rules: Rules<'_>) -> Result<Found> {
    let (run, recipe, latency) = search_run(recipe, task, folder, rules)?;
    let found = search::search(&recipe, rules.pool, task, &run, latency)?;
    Ok(Found { search_seconds: found.seconds(), finals: found.finals, ..Found::new(found.architecture) })
}

/// Choices `number` of those drawn with the recipe's seed, just within the time limit if there is one.
pub(crate) fn random_choices(recipe: &Recipe, rules: Rules<'_>, purpose: &str, number: u64) -> Result<Vec<usize>> {
    let mut rng = rng(recipe.seed, purpose, number);
    let space = recipe.open_space(rules.pool)?;
    match rules.time {
        Some(time) => time.random(recipe, &space, &mut rng),
        None => Ok(space.draw(&mut rng)),
    }
}

/// The architecture of [`random_choices`].
fn random(recipe: &Recipe, rules: Rules<'_>, number: u64) -> Result<Architecture> {
    let choices = random_choices(recipe, rules, RANDOM_ARCHITECTURE, number)?;
    Ok(recipe.open_space(rules.pool)?.architecture(&choices))
}

/// Draws for each different architecture at most: a small space has few of them.
const DRAWS: u64 = 16;

/// The best of `count` different drawn architectures by finals in `folder`, which are its search.
fn best_of_random<T: Task>(recipe: &Recipe, task: &T, count: u64, folder: &Path, rules: Rules<'_>) -> Result<Found> {
    let mut networks: Vec<(Recipe, Architecture)> = Vec::new();
    for number in 0..DRAWS * count {
        if networks.len() as u64 == count {
            break;
        }
        let architecture = random(recipe, rules, number)?;
        if !networks.iter().any(|(_, known)| known.without_skips() == architecture.without_skips()) {
            networks.push((sized(recipe, task, &architecture, rules)?, architecture));
        }
    }
    // The rates are those that a search's own finals try, if it has some.
    let every = FinalSettings { networks: networks.len(), rates: vec![1.0], epochs: None, candidates: None };
    let settings = recipe.search.finals.clone().unwrap_or(every);
    let inputs = task.data().run_inputs(T::NAME, None);
    let run = RunFolder::open(&folder.join("finals"), recipe, &inputs, true)?;
    let finals = Finals::run(&networks, &settings, rules.pool, task, &run.file(""))?;
    let architecture = match finals.winner() {
        Some(best) => best.architecture.clone(),
        // None of them could be trained.
        None => random(recipe, rules, 0)?,
    };
    Ok(Found { search_seconds: finals.seconds(), finals: Some(finals), ..Found::new(architecture) })
}

/// The recipe at the width of an equal number of parameters, if the comparison has one.
fn sized<T: Task>(recipe: &Recipe, task: &T, architecture: &Architecture, rules: Rules<'_>) -> Result<Recipe> {
    let Rules { pool, parameters, .. } = rules;
    match parameters {
        Some(parameters) => crate::compare::equal::of_equal_size(recipe, pool, task, architecture, parameters),
        None => Ok(recipe.clone()),
    }
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
