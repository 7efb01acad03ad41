//! The search: weight steps on a strategy's paths, architecture steps on alpha.
//!
//! See MMnas, section 3.3, Algorithm 1.

use mmnas_bundle::{Architecture, write_atomically};
use rand::seq::SliceRandom;
use tch::Tensor;

use crate::data::split::Splits;
use crate::error::{Error, Result};
use crate::model::network::{Naming, Network};
use crate::nn::adam::Adam;
use crate::nn::dropout::Dropout;
use crate::nn::tensors::TensorMap;
use crate::operations::pool::Pool;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::run::epoch_log::EpochRecord;
use crate::run::files::{ARCHITECTURE, EXAMPLES, LATENCY};
use crate::run::folder::RunFolder;
use crate::seed::{rng, seed, seed_torch};
use crate::space::arch_path::ArchPath;
use crate::space::limits::{Latency, Taken};
use crate::space::search_space::Space;
use crate::strategy;
use crate::strategy::decision::{Bounds, Schedule, Strategy};
use crate::strategy::diagnostics::SearchDiagnostics;
use crate::task::example::Example;
use crate::task::{Evaluation, Task};
use crate::train::bounds::bounds;
use crate::train::candidates::{Finalists, ranked_candidates};
use crate::train::dimensions::dimensions;
use crate::train::finals::{Finals, finalists};
use crate::train::network_state::{load_network, save_network};
use crate::train::step_position::StepPosition;
use crate::train::trainer::{Learner, Trainer, evaluate, misfit};
use crate::train::weight_step::{MicroBatch, StepSettings, weight_step};

/// Result of a search.
#[derive(Debug)]
pub struct SearchResult {
    /// The architecture that the strategy derives.
    ///
    /// With alpha it has the operation of largest alpha in every block, unless finals decide.
    pub architecture: Architecture,
    /// One record per epoch.
    pub records: Vec<EpochRecord>,
    /// The finals, if the recipe has some; the best network of them is the architecture.
    pub finals: Option<Finals>,
    /// Seconds that scoring the candidates of the finals took.
    pub choice_seconds: f64,
    /// What the architecture is predicted to take of what the recipe limits.
    pub taken: Vec<Taken>,
}

pub(crate) struct SearchLearner<'a> {
    recipe: &'a Recipe,
    alpha_part: &'a [usize],
    pub(crate) network: Network,
    adam: Adam,
    strategy: Box<dyn Strategy>,
    bounds: Option<Bounds>,
    steps: u64,
    before: Option<Vec<usize>>,
    examples: Option<Vec<Example>>,
}

impl SearchResult {
    /// Factor on the learning rate of `[retrain]` that the architecture did best with.
    pub fn rate(&self) -> f64 {
        self.finals.as_ref().and_then(Finals::winner).map_or(1.0, |winner| winner.rate)
    }

    /// Seconds of the search with its finals and the choice of who takes part.
    pub fn seconds(&self) -> f64 {
        let epochs: f64 = self.records.iter().map(|record| record.seconds).sum();
        epochs + self.choice_seconds + self.finals.as_ref().map_or(0.0, Finals::seconds)
    }
}

impl SearchLearner<'_> {
    /// Samples of the architecture step number `counter`.
    ///
    /// They are the alpha part, in a new order every time it is through.
    fn alpha_indices(&self, counter: u64) -> Vec<usize> {
        let batch = self.recipe.search.alpha_batch.min(self.alpha_part.len());
        let per_pass = (self.alpha_part.len() / batch) as u64;
        let mut order = self.alpha_part.to_vec();
        order.shuffle(&mut rng(self.recipe.seed, "alpha order", counter / per_pass));
        let start = (counter % per_pass) as usize * batch;
        order[start..start + batch].to_vec()
    }

    /// What the architecture of these choices is predicted to take of what is limited.
    fn taken(&self, choices: &[usize]) -> Vec<Taken> {
        self.bounds.as_ref().and_then(|bounds| bounds.knapsack.taken(choices)).unwrap_or_default()
    }

    fn schedule(&self, step: u64) -> Schedule {
        Schedule { step, of: self.steps }
    }

    fn architecture_step<T: Task>(&mut self, task: &T, epoch_state: &T::EpochState, at: StepPosition) -> Result<()> {
        let (search, seed_of_run) = (&self.recipe.search, self.recipe.seed);
        let counter = at.total / search.alpha_every;
        let indices = self.alpha_indices(counter);
        let parts = indices.chunks(search.alpha_batch.div_ceil(search.weights.accumulate)).enumerate();
        let load = |(part, indices): (usize, &[usize])| -> Result<MicroBatch<T::Batch>> {
            let counter = counter * search.weights.accumulate as u64 + part as u64;
            let batch = task.batch(indices, epoch_state, seed(seed_of_run, "alpha batch", counter))?;
            Ok(MicroBatch { batch, samples: indices.len() })
        };
        let parts = parts.map(load).collect::<Result<Vec<_>>>()?;
        seed_torch(seed_of_run, "alpha step", counter);
        let (network, dropout) = (&self.network, self.recipe.model.dropout);
        let mut gradients = |path: &ArchPath| {
            let mut sums: Vec<Tensor> = Vec::new();
            for part in &parts {
                let (_, gates) = gate_gradients(network, task, &part.batch, path, dropout, &[])?;
                let weighted = gates.into_iter().map(|g| g * part.weight::<T>(indices.len()));
                sums = match sums.is_empty() {
                    true => weighted.collect(),
                    false => sums.iter().zip(weighted).map(|(a, b)| a + b).collect(),
                };
            }
            let norm: f64 = sums.iter().map(|g| g.norm().double_value(&[])).sum();
            let (epoch, step, what) = (at.epoch, at.step, "gradient norm of alpha");
            if norm.is_finite() { Ok(sums) } else { Err(Error::NotFinite { epoch, step, what, value: norm }) }
        };
        let schedule = Schedule { step: at.total, of: self.steps };
        self.strategy.architecture_step(schedule, &mut gradients)
    }

    /// Whether epoch `epoch` has architecture steps.
    fn alpha_moves(&self, epoch: usize) -> bool {
        self.strategy.learns_alpha() && epoch >= self.recipe.search.alpha_from_epoch
    }
}

/// The loss along a gated path, the gradients of its gates, then those of `weights`.
///
/// An architecture step asks for no gradient of weights.
///
/// # Errors
/// libtorch's, such as memory that runs out.
pub fn gate_gradients<T: Task>(
    network: &Network,
    task: &T,
    batch: &T::Batch,
    path: &ArchPath,
    dropout: f64,
    weights: &[&Tensor],
) -> Result<(Tensor, Vec<Tensor>)> {
    let loss = task.loss(batch, &mut |inputs| network.forward(inputs, path, Dropout(dropout)));
    let mut wanted = path.gates();
    wanted.extend(weights);
    let gradients = Tensor::f_run_backward(&[&loss], &wanted, false, false)?;
    Ok((loss, gradients))
}

impl<T: Task> Learner<T> for SearchLearner<'_> {
    fn step(
        &mut self,
        task: &T,
        parts: &[MicroBatch<T::Batch>],
        epoch_state: &T::EpochState,
        learning_rate: f64,
        at: StepPosition,
    ) -> Result<f64> {
        let search = &self.recipe.search;
        let paths = self.strategy.weight_paths(self.schedule(at.total), parts.len());
        let settings = StepSettings {
            train: &search.weights,
            learning_rate,
            dropout: self.recipe.model.dropout,
            momentum_drift: self.recipe.published.momentum_drift,
        };
        let loss = weight_step((&self.network, &mut self.adam), (task, parts), &paths, settings, at)?;
        if self.alpha_moves(at.epoch) && (at.total + 1).is_multiple_of(search.alpha_every) {
            self.architecture_step(task, epoch_state, at)?;
        }
        Ok(loss)
    }

    fn best_path(&self) -> (&Network, ArchPath) {
        (&self.network, ArchPath::single(&self.strategy.best()))
    }

    fn mining_path(&self, total: u64) -> ArchPath {
        // One sampled path, as published; a mixture's own.
        self.strategy.path(self.schedule(total), "mining path")
    }

    fn epoch_ended(&mut self, evaluation: &Evaluation) -> serde_json::Map<String, serde_json::Value> {
        let (best, probabilities) = (self.strategy.best(), self.strategy.probabilities());
        let diagnostics = SearchDiagnostics::of(self.network.space(), &best, &probabilities, self.before.as_deref());
        let mut notes = serde_json::json!({
            "strategy": self.strategy.name(),
            "architecture": self.network.space().architecture(&best).to_string(),
            "shares": diagnostics.shares,
        });
        let taken = self.taken(&best);
        if !taken.is_empty() {
            notes["predicted"] = taken.iter().map(|taken| (taken.name, taken.amount)).collect();
        }
        // A strategy without alpha has not made up its mind before its end, so there is nothing to
        // watch.
        if self.strategy.learns_alpha() {
            notes["entropy"] = diagnostics.entropy.into();
            notes["agreement"] = diagnostics.agreement.into();
            notes["probabilities"] = serde_json::json!(probabilities);
        }
        self.before = Some(best);
        self.examples = Some(evaluation.examples.clone());
        if let serde_json::Value::Object(notes) = notes { notes } else { serde_json::Map::new() }
    }

    fn has_ended(&self, records: &[EpochRecord]) -> bool {
        let Some(rule) = &self.recipe.search.stop else { return false };
        let settled = |record: &EpochRecord| {
            let note = |name: &str| record.notes.get(name).and_then(serde_json::Value::as_f64);
            let agrees = note("agreement").is_some_and(|a| a >= rule.agreement);
            self.alpha_moves(record.epoch) && agrees && note("entropy").is_some_and(|e| e <= rule.entropy)
        };
        records.len() >= rule.epochs && records[records.len() - rule.epochs..].iter().all(settled)
    }

    fn conclude(&mut self, task: &T) -> Result<bool> {
        let before = self.strategy.best();
        self.strategy.conclude(&mut shared_score(task, &self.network, self.alpha_part, self.recipe))?;
        Ok(self.strategy.best() != before)
    }

    fn publish(&self, run: &RunFolder) -> Result<()> {
        let architecture = self.network.space().architecture(&self.strategy.best());
        if let Some(examples) = &self.examples {
            run.write_json_lines(EXAMPLES, examples)?;
        }
        run.write_json(ARCHITECTURE, &serde_json::json!({ "epoch0": architecture }))
    }

    fn save(&self, into: &mut TensorMap) {
        save_network(&self.network, &self.adam, into);
        self.strategy.save(into);
        if let Some(before) = &self.before {
            into.insert(BEFORE.to_owned(), crate::strategy::decision::choices_tensor(before));
        }
    }

    fn load(&mut self, from: &TensorMap, file: &std::path::Path) -> Result<()> {
        self.adam = load_network(&self.network, from, file)?;
        self.strategy.load(from).map_err(|name| misfit(file, name))?;
        self.before = match from.contains_key(BEFORE) {
            true => {
                let before = crate::strategy::decision::choices_from(self.network.space(), BEFORE, from);
                Some(before.map_err(|name| misfit(file, name))?)
            }
            false => None,
        };
        Ok(())
    }
}

/// Scores architectures with the shared weights on the alpha part `part`.
fn shared_score<'a, T: Task>(
    task: &'a T,
    network: &'a Network,
    part: &[usize],
    recipe: &Recipe,
) -> impl FnMut(&[usize], usize) -> Result<f64> + use<'a, T> {
    let (part, batch) = (samples_to_compare(part, recipe.seed), recipe.search.weights.evaluated_at_once());
    move |choices, samples| {
        let samples = &part[..samples.min(part.len())];
        Ok(evaluate(task, (network, &ArchPath::single(choices)), samples, batch)?.score)
    }
}

/// The samples of the alpha part `part` in the order in which architectures are compared on them.
pub(crate) fn samples_to_compare(part: &[usize], seed: u64) -> Vec<usize> {
    let mut samples = part.to_vec();
    samples.shuffle(&mut rng(seed, "samples to compare on", 0));
    samples
}

/// Name in a checkpoint of the top choices at the end of the last epoch.
const BEFORE: &str = "top_choices";

/// Builds a search of `space` before its first step.
pub(crate) fn prepare<'a, T: Task>(
    recipe: &'a Recipe,
    (space, bounds): (Space, Option<Bounds>),
    task: &T,
    parts: &'a Splits,
) -> Result<SearchLearner<'a>> {
    let settings = &recipe.search;
    seed_torch(recipe.seed, "initial weights", 0);
    let dimensions = dimensions(recipe, task, settings.weights.hidden);
    space.check(&dimensions)?;
    let device = task.data().device();
    let mut network = Network::new(&space, &dimensions, Naming::Supernet, device, T::head);
    network.set_precision(recipe.model.precision);
    if recipe.model.standardise {
        network.set_feature_norm(Some(task.data().feature_norm(&parts.weights)?));
    }
    task.start(&parts.weights, &mut network)?;
    let steps = Trainer::<T>::total_steps(&settings.weights, parts.weights.len());
    let strategy = strategy::build(recipe, &space, device, bounds.clone());
    Ok(SearchLearner {
        recipe,
        alpha_part: &parts.alpha,
        network,
        adam: Adam::default(),
        strategy,
        bounds,
        steps,
        before: None,
        examples: None,
    })
}

/// Searches an architecture, or goes on with the search that lies in `run`.
///
/// `latency` is the table of the device that the recipe's limits are for; it is kept in the run's
/// folder.
///
/// # Errors
/// - A space that cannot be built at the recipe's sizes.
/// - Those of [`bounds`].
/// - Parts without samples.
/// - A loss that is not finite.
/// - A checkpoint that does not fit.
/// - Files that cannot be read or written.
pub fn search<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    task: &T,
    run: &RunFolder,
    latency: Option<&Latency>,
) -> Result<SearchResult> {
    let parts = Splits::for_search(task.data(), recipe)?;
    let space = recipe.space(pool)?;
    let bounds = bounds(recipe, pool, task, &space, latency)?;
    if recipe.search.finals.is_some() {
        // Hours before they are cut.
        Splits::for_training(task.data(), recipe)?;
    }
    let mut learner = prepare(recipe, (space, bounds), task, &parts)?;
    if let Some(latency) = latency {
        write_atomically(&run.file(LATENCY), &latency.bytes)?;
    }
    run.write_json("space.json", &learner.network.space().names())?;
    let trainer = Trainer {
        task,
        run,
        settings: &recipe.search.weights,
        seed: recipe.seed,
        train: &parts.weights,
        other: Some(&parts.alpha),
        validation: &parts.validation,
        published: recipe.published,
        progress: Progress::new("search", learner.steps),
    };
    let (first, epochs) = (recipe.search.alpha_from_epoch, recipe.search.weights.epochs);
    if learner.strategy.learns_alpha() && first >= epochs {
        // No error: a trial of a recipe may cut its epochs.
        trainer.progress.line(&format!(
            "search.alpha_from_epoch is {first} and the epochs are 0 to {}: alpha is never trained, and what is found is chance",
            epochs.saturating_sub(1)
        ));
    }
    let records = trainer.run(&mut learner)?;
    let space = learner.network.space();
    let mut choice_seconds = 0.0;
    let finals = match &recipe.search.finals {
        Some(settings) => {
            let strategy = learner.strategy.as_ref();
            let networks = match &settings.candidates {
                Some(candidates) => {
                    let fits = |choices: Vec<usize>| learner.bounds.as_ref().is_none_or(|b| b.knapsack.fits(&choices));
                    let may = |network: &Architecture| space.choices_of(network).is_some_and(fits);
                    let chosen = Finalists::chosen_once(run, (settings.networks, &may), || {
                        let mut score = shared_score(task, &learner.network, &parts.alpha, recipe);
                        let considered = (strategy, learner.bounds.as_ref());
                        let ranked = ranked_candidates(considered, candidates, recipe.seed, &mut score)?;
                        Ok(finalists(space, ranked.into_iter(), settings.networks))
                    })?;
                    choice_seconds = chosen.seconds;
                    chosen.networks
                }
                None => finalists(space, strategy.ranked(), settings.networks),
            };
            if networks.len() < settings.networks {
                let (there, asked) = (networks.len(), settings.networks);
                trainer
                    .progress
                    .line(&format!("finals: there are {there} different networks, {asked} were to take part"));
            }
            let networks: Vec<_> = networks.into_iter().map(|network| (recipe.clone(), network)).collect();
            Some(Finals::run(&networks, settings, pool, task, &run.file(""))?)
        }
        None => None,
    };
    let derived = || space.architecture(&learner.strategy.best());
    let architecture = match finals.as_ref().and_then(Finals::winner) {
        Some(winner) => {
            run.write_json(ARCHITECTURE, &serde_json::json!({ "epoch0": winner.architecture }))?;
            winner.architecture.clone()
        }
        None => derived(),
    };
    let taken = space.choices_of(&architecture).map(|choices| learner.taken(&choices)).unwrap_or_default();
    Ok(SearchResult { architecture, records, finals, choice_seconds, taken })
}
