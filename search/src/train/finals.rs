//! Finals: trainings that decide between the best networks of a search.

use std::path::Path;
use std::time::Instant;

use mmnas_bundle::{Architecture, Error as BundleError, read_text_file, write_atomically};
use serde::{Deserialize, Serialize};

use crate::data::split::Splits;
use crate::error::{Error, Result};
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::finals::FinalSettings;
use crate::run::folder::RunFolder;
use crate::space::search_space::Space;
use crate::task::Task;
use crate::train::retrain::{Parts, train_alone};

/// What one network did in the finals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// The network.
    pub architecture: Architecture,
    /// Its width H.
    pub hidden: usize,
    /// Factor on the learning rate of `[retrain]` that it was trained with.
    pub rate: f64,
    /// Its best score on the alpha part, 0 to 1, after training on the weights part.
    ///
    /// None if its loss left the finite numbers, as too large a rate makes it.
    pub score: Option<f64>,
    /// Seconds that its training took.
    pub seconds: f64,
}

impl Final {
    /// Trains a network on the weights part in `run` and scores it on the alpha part.
    ///
    /// `recipe` has the rate already.
    fn train<T: Task>(
        recipe: &Recipe,
        rate: f64,
        pool: &Pool,
        architecture: &Architecture,
        task: &T,
        run: &RunFolder,
    ) -> Result<Final> {
        let start = Instant::now();
        let parts = Splits::for_training(task.data(), recipe)?;
        let parts = Parts { train: &parts.weights, validation: &parts.alpha };
        let (score, seconds) = match train_alone(recipe, pool, architecture, task, run, parts) {
            Ok(trained) => (Some(trained.validation), trained.records.iter().map(|record| record.seconds).sum()),
            Err(Error::NotFinite { .. }) => (None, start.elapsed().as_secs_f64()),
            Err(error) => return Err(error),
        };
        Ok(Final { architecture: architecture.clone(), hidden: recipe.retrain.hidden, rate, score, seconds })
    }
}

/// `finals.json`: the finals of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finals {
    /// Number of trainings, all of which decide.
    pub planned: usize,
    /// Those that have ended, in their order.
    pub results: Vec<Final>,
}

/// File of the [`Finals`] in a run's folder.
pub const FINALS: &str = "finals.json";

/// Architectures that are looked at for each network that takes part.
///
/// Where many are the same network, since blocks that do nothing stand elsewhere, fewer take part.
const LOOKED_AT: usize = 100;

/// The first `count` different networks of a ranking of architectures, one operation a block.
pub(crate) fn finalists(space: &Space, ranked: impl Iterator<Item = Vec<usize>>, count: usize) -> Vec<Architecture> {
    let mut networks: Vec<Architecture> = Vec::new();
    for choices in ranked.take(LOOKED_AT * count) {
        let architecture = space.architecture(&choices);
        if !networks.iter().any(|known| known.without_skips() == architecture.without_skips()) {
            networks.push(architecture);
        }
        if networks.len() == count {
            break;
        }
    }
    networks
}

impl Finals {
    /// Trains each of `networks` with its recipe at each rate, or goes on with the finals in `folder`.
    ///
    /// They are trained on the weights part and scored on the alpha part.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] if the results there are of other networks or rates. Those of
    /// [`retrain`](crate::train::retrain::retrain), but for a loss that is not finite, which is a
    /// result.
    pub(crate) fn run<T: Task>(
        networks: &[(Recipe, Architecture)],
        settings: &FinalSettings,
        pool: &Pool,
        task: &T,
        folder: &Path,
    ) -> Result<Finals> {
        let pairs = || networks.iter().flat_map(|network| settings.rates.iter().map(move |&rate| (network, rate)));
        let file = folder.join(FINALS);
        let now = pairs().map(|((recipe, architecture), rate)| (recipe.retrain.hidden, architecture, rate));
        let mut finals = Finals::begun(&file, pairs().count(), now)?;
        for (number, ((recipe, architecture), rate)) in pairs().enumerate() {
            let recipe = Recipe { retrain: settings.of(&recipe.retrain, rate), ..recipe.clone() };
            let own = folder.join(format!("final-{:02}", number + 1));
            let inputs = task.data().run_inputs(T::NAME, Some(architecture));
            if number < finals.results.len() {
                // What a killed process left; another run of that name is somebody's.
                if own.exists() && RunFolder::open(&own, &recipe, &inputs, true).is_ok() {
                    remove(&own)?;
                }
                continue;
            }
            let run = RunFolder::open(&own, &recipe, &inputs, true)?;
            finals.results.push(Final::train(&recipe, rate, pool, architecture, task, &run)?);
            let text = serde_json::to_string_pretty(&finals).map_err(|e| BundleError::json(&file, &e))?;
            write_atomically(&file, text.as_bytes())?;
            drop(run);
            remove(&own)?;
        }
        Ok(finals)
    }

    /// The finals in `file`, which must be of the trainings `now`, as far as they have come; or none.
    fn begun<'a>(
        file: &Path,
        planned: usize,
        now: impl Iterator<Item = (usize, &'a Architecture, f64)>,
    ) -> Result<Finals> {
        if !file.exists() {
            return Ok(Finals { planned, results: Vec::new() });
        }
        let known = Finals::read(file)?;
        known.check_same(now, file)?;
        Ok(known)
    }

    /// Checks that the results are of these trainings, as far as they go.
    fn check_same<'a>(&self, now: impl Iterator<Item = (usize, &'a Architecture, f64)>, file: &Path) -> Result<()> {
        let name = |hidden: usize, architecture: &Architecture, rate: f64| {
            format!("{architecture} of H {hidden} at rate {rate}")
        };
        let now: Vec<String> = now.map(|(hidden, architecture, rate)| name(hidden, architecture, rate)).collect();
        let known = self.results.iter().map(|known| name(known.hidden, &known.architecture, known.rate));
        let other = |started: String, now: String| Err(Error::OtherRun { file: file.to_path_buf(), started, now });
        if self.planned != now.len() || self.results.len() > now.len() {
            let started = format!("{} finals with {} results", self.planned, self.results.len());
            return other(started, format!("{} finals", now.len()));
        }
        match known.zip(&now).enumerate().find(|(_, (known, now))| known != *now) {
            Some((place, (known, now))) => other(format!("results[{place}] {known}"), now.clone()),
            None => Ok(()),
        }
    }

    /// Reads the finals of a search.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] for a file that cannot be read, and for a rate that is none.
    pub fn read(file: &Path) -> Result<Finals> {
        let finals: Finals = serde_json::from_str(&read_text_file(file)?).map_err(|e| BundleError::json(file, &e))?;
        match finals.results.iter().position(|result| !(result.rate > 0.0 && result.rate.is_finite())) {
            Some(place) => {
                let (field, found) = (format!("results[{place}].rate"), finals.results[place].rate);
                Err(BundleError::invalid(file, field, "a number above 0", found).into())
            }
            None => Ok(finals),
        }
    }

    /// The best result so far, of equal ones the first; none if every loss left the finite numbers.
    pub fn winner(&self) -> Option<&Final> {
        let scored = self.results.iter().filter_map(|result| Some((result, result.score?)));
        scored.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(result, _)| result)
    }

    /// The winner of finals that are over.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] for a file that cannot be read, finals that have not ended, and finals
    /// without a score.
    pub fn decided(file: &Path) -> Result<Final> {
        let finals = Finals::read(file)?;
        if finals.results.len() != finals.planned {
            let (expected, found) =
                (format!("all {} results, when the search ends", finals.planned), finals.results.len());
            return Err(BundleError::invalid(file, "results", expected, found).into());
        }
        let winner = finals.winner().cloned();
        winner.ok_or_else(|| BundleError::invalid(file, "results", "one with a score", "none").into())
    }

    /// Seconds of all trainings.
    pub fn seconds(&self) -> f64 {
        self.results.iter().map(|result| result.seconds).sum()
    }
}

/// Removes the folder of a final, whose result is known.
///
/// Its weights know less of the data than those of a retraining: nobody shall export them.
fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BundleError::io(folder, "remove")(error).into())
        }
        _ => Ok(()),
    }
}
