//! The search: weight steps on sampled paths, architecture steps on alpha (MMnas, section 3.3, Algorithm 1).

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dimensions;
use rand::seq::SliceRandom;
use tch::Tensor;

use crate::data::Parts;
use crate::operations::Dropout;
use crate::progress::Progress;
use crate::recipe::{Recipe, SearchSettings};
use crate::seed::seed_torch;
use crate::task::Task;
use crate::trainer::{EpochRecord, Learner, Moment, Trainer, weight_step};
use crate::{Adam, Alpha, Error, Naming, Network, Path, Result, RunFolder, TensorMap, rng};

/// What a search found.
#[derive(Debug)]
pub struct SearchResult {
    /// The operation of largest alpha in every block.
    pub architecture: Architecture,
    /// One record an epoch.
    pub records: Vec<EpochRecord>,
}

struct SearchLearner<'a> {
    settings: &'a SearchSettings,
    dropout: f64,
    seed: u64,
    alpha_part: &'a [usize],
    network: Network,
    adam: Adam,
    alpha: Alpha,
}

impl SearchLearner<'_> {
    /// Samples of the architecture step number `counter`: the alpha part in a new order every time it is through.
    fn alpha_indices(&self, counter: u64) -> Vec<usize> {
        let batch = self.settings.alpha_batch.min(self.alpha_part.len());
        let per_pass = (self.alpha_part.len() / batch) as u64;
        let mut order = self.alpha_part.to_vec();
        order.shuffle(&mut rng(self.seed, "alpha order", counter / per_pass));
        let start = (counter % per_pass) as usize * batch;
        order[start..start + batch].to_vec()
    }

    fn architecture_step<T: Task>(&mut self, task: &T, at: Moment) -> Result<()> {
        let counter = at.total / self.settings.alpha_every;
        let batch = task.batch(&self.alpha_indices(counter))?;
        seed_torch(self.seed, "alpha step", counter);
        let path = self.alpha.sample_gated(self.settings.mode, self.seed, "alpha path", counter, self.network.device());
        let (_, gates) = gate_gradients(&self.network, task, &batch, &path, self.dropout, &[])?;
        let gradients = self.alpha.gradients(&path, &gates);
        let norm: f64 = gradients.iter().map(|g| g.norm().double_value(&[])).sum();
        if !norm.is_finite() {
            return Err(Error::NotFinite {
                epoch: at.epoch,
                step: at.step,
                what: "gradient norm of alpha",
                value: norm,
            });
        }
        self.alpha.step(&path, gradients, self.settings.alpha, self.settings.mode);
        Ok(())
    }
}

/// The loss along a gated path and the gradients of its gates; then the gradients of `weights`, which an architecture
/// step does not need and does not ask for.
pub fn gate_gradients<T: Task>(
    network: &Network,
    task: &T,
    batch: &T::Batch,
    path: &Path,
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
    fn step(&mut self, task: &T, batch: &T::Batch, learning_rate: f64, at: Moment) -> Result<f64> {
        let path = Path::single(&self.alpha.sample(self.seed, "weight path", at.total));
        let settings = (&self.settings.weights, learning_rate, self.dropout);
        let loss = weight_step((&self.network, &mut self.adam), (task, batch), &path, settings, at)?;
        if at.epoch >= self.settings.alpha_from_epoch && (at.total + 1).is_multiple_of(self.settings.alpha_every) {
            self.architecture_step(task, at)?;
        }
        Ok(loss)
    }

    fn best_path(&self) -> (&Network, Path) {
        let best = |alpha: Vec<f32>| (0..alpha.len()).fold(0, |best, k| if alpha[k] > alpha[best] { k } else { best });
        let choices: Vec<usize> = self.alpha.values().into_iter().map(best).collect();
        (&self.network, Path::single(&choices))
    }

    fn epoch_ended(&mut self, _validation: f64) -> serde_json::Map<String, serde_json::Value> {
        let snapshot = self.alpha.snapshot();
        let notes = serde_json::json!({
            "architecture": self.alpha.derive().to_string(),
            "entropy": snapshot.entropy,
            "operations": self.network.space().operations(),
            "probabilities": snapshot.probabilities,
        });
        if let serde_json::Value::Object(notes) = notes { notes } else { serde_json::Map::new() }
    }

    fn publish(&self, run: &RunFolder) -> Result<()> {
        run.write_json("architecture.json", &serde_json::json!({ "epoch0": self.alpha.derive() }))
    }

    fn save(&self, into: &mut TensorMap) {
        save_network(&self.network, &self.adam, into);
        self.alpha.save(into);
    }

    fn load(&mut self, from: &TensorMap, file: &std::path::Path) -> Result<()> {
        self.adam = load_network(&self.network, from, file)?;
        self.alpha = Alpha::load(self.network.space(), from).map_err(|name| misfit(file, name))?;
        Ok(())
    }
}

/// Weights and moments under the names that [`load_network`] reads.
pub(crate) fn save_network(network: &Network, adam: &Adam, into: &mut TensorMap) {
    into.extend(network.parameters().iter().map(|(name, p)| (format!("network.{name}"), p.shallow_clone())));
    adam.save("net_optim", into);
}

pub(crate) fn load_network(network: &Network, from: &TensorMap, file: &std::path::Path) -> Result<Adam> {
    crate::checkpoint::copy_into(network.parameters(), from, "network.", file)?;
    Adam::load("net_optim", network.parameters(), from).map_err(|name| misfit(file, name))
}

fn misfit(file: &std::path::Path, field: String) -> Error {
    Error::Checkpoint {
        file: file.to_path_buf(),
        field,
        expected: "a state that fits the recipe's network".into(),
        found: "another".into(),
    }
}

/// Sizes of a network of hidden width `hidden` for `task`.
pub(crate) fn dimensions<T: Task>(recipe: &Recipe, task: &T, hidden: usize) -> Dimensions {
    Dimensions {
        feature: task.data().feature(),
        vocabulary: task.data().vocabulary().len(),
        outputs: task.outputs(),
        ..recipe.widths(hidden)
    }
}

/// Searches an architecture, or goes on with the search that lies in `run`. `stop_after` ends it after that many weight
/// steps as a kill would, its last checkpoint kept.
pub fn search<T: Task>(
    recipe: &Recipe,
    task: &T,
    run: &RunFolder,
    progress: bool,
    stop_after: Option<u64>,
) -> Result<SearchResult> {
    let parts = Parts::cut(task.data().samples_of_images(), recipe.split, recipe.seed)?;
    let settings = &recipe.search;
    let space = recipe.space()?;
    seed_torch(recipe.seed, "initial weights", 0);
    let dimensions = dimensions(recipe, task, settings.weights.hidden);
    space.check(&dimensions)?;
    let mut network = Network::new::<T>(&space, &dimensions, Naming::Supernet, tch::Device::Cpu);
    if recipe.model.standardise {
        network.set_feature_norm(Some(task.data().feature_norm(&parts.weights)?));
    }
    let mut learner = SearchLearner {
        settings,
        dropout: recipe.model.dropout,
        seed: recipe.seed,
        alpha_part: &parts.alpha,
        network,
        adam: Adam::default(),
        alpha: Alpha::uniform(&space),
    };
    let total = Trainer::<T>::total_steps(&settings.weights, parts.weights.len());
    let trainer = Trainer {
        task,
        run,
        settings: &settings.weights,
        seed: recipe.seed,
        train: &parts.weights,
        validation: &parts.validation,
        progress: if progress { Progress::new("search", total) } else { Progress::quiet() },
        stop_after,
    };
    let records = trainer.run(&mut learner)?;
    Ok(SearchResult { architecture: learner.alpha.derive(), records })
}
