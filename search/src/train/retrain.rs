//! Training of a derived architecture from scratch.

use std::collections::BTreeMap;

use mmnas_bundle::manifest::Provenance;
use mmnas_bundle::{Architecture, write_atomically};

use crate::data::split::Splits;
use crate::error::Result;
use crate::model::ema::Ema;
use crate::model::network::{FeatureNorm, Naming, Network};
use crate::nn::adam::Adam;
use crate::nn::tensors::{TensorMap, copy_into, save_tensors};
use crate::operations::pool::Pool;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::run::epoch_log::EpochRecord;
use crate::run::files::{EXAMPLES, FEATURE_MEAN, FEATURE_STD, LABELS, NETWORK, RECORD, TOKENIZER};
use crate::run::folder::{NetworkRecord, RunFolder};
use crate::seed::seed_torch;
use crate::space::arch_path::ArchPath;
use crate::task::example::Example;
use crate::task::{Evaluation, Task};
use crate::train::dimensions::dimensions;
use crate::train::network_state::{load_network, save_network};
use crate::train::step_position::StepPosition;
use crate::train::trainer::{Learner, Trainer, misfit};
use crate::train::weight_step::{MicroBatch, StepSettings, weight_step};

/// Result of a retraining.
#[derive(Debug)]
pub struct RetrainResult {
    /// One record per epoch.
    pub records: Vec<EpochRecord>,
    /// Best score on the validation part, 0 to 1, whose weights were kept.
    pub validation: f64,
    /// The metrics behind that score, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Number of trained numbers.
    pub parameters: u64,
}

struct RetrainLearner<'a> {
    recipe: &'a Recipe,
    network: Network,
    /// The network that is validated instead, where the recipe asks for it.
    average: Option<Ema>,
    adam: Adam,
    best: Option<(f64, TensorMap)>,
    /// Examples of these weights; none in a process that has not found better ones.
    examples: Option<Vec<Example>>,
    record: NetworkRecord,
}

impl RetrainLearner<'_> {
    fn path(&self) -> ArchPath {
        ArchPath::single(&vec![0; self.network.space().len()])
    }

    /// The network that is validated and kept.
    fn measured(&self) -> &Network {
        self.average.as_ref().map_or(&self.network, Ema::network)
    }
}

impl<T: Task> Learner<T> for RetrainLearner<'_> {
    fn step(
        &mut self,
        task: &T,
        parts: &[MicroBatch<T::Batch>],
        _: &T::EpochState,
        learning_rate: f64,
        at: StepPosition,
    ) -> Result<f64> {
        let path = self.path();
        let settings = StepSettings {
            train: &self.recipe.retrain,
            learning_rate,
            dropout: self.recipe.model.dropout,
            momentum_drift: false,
        };
        let loss = weight_step((&self.network, &mut self.adam), (task, parts), &[path], settings, at)?;
        if let Some(average) = &self.average {
            average.take(&self.network, at.total + 1);
        }
        Ok(loss)
    }

    fn best_path(&self) -> (&Network, ArchPath) {
        (self.measured(), self.path())
    }

    fn mining_path(&self, _total: u64) -> ArchPath {
        self.path()
    }

    fn epoch_ended(&mut self, evaluation: &Evaluation) -> serde_json::Map<String, serde_json::Value> {
        let validation = evaluation.score;
        if self.best.as_ref().is_none_or(|(score, _)| validation >= *score) {
            let kept = self.measured().parameters();
            let weights = kept.iter().map(|(name, p)| (name.clone(), p.detach().copy())).collect();
            self.best = Some((validation, weights));
            self.examples = Some(evaluation.examples.clone());
        }
        serde_json::Map::new()
    }

    fn has_ended(&self, records: &[EpochRecord]) -> bool {
        let Some(patience) = self.recipe.retrain.patience else { return false };
        let best = records.iter().map(|r| r.validation).fold(f64::NEG_INFINITY, f64::max);
        let since = records.iter().rev().take_while(|r| r.validation < best).count();
        since >= patience
    }

    fn publish(&self, run: &RunFolder) -> Result<()> {
        let Some((validation, weights)) = &self.best else { return Ok(()) };
        let mut weights: TensorMap = weights.iter().map(|(name, p)| (name.clone(), p.shallow_clone())).collect();
        if let Some(norm) = self.network.feature_norm() {
            weights.insert(FEATURE_MEAN.to_owned(), norm.mean.shallow_clone());
            weights.insert(FEATURE_STD.to_owned(), norm.std.shallow_clone());
        }
        if let Some(examples) = &self.examples {
            run.write_json_lines(EXAMPLES, examples)?;
        }
        save_tensors(&run.file(NETWORK), &weights, Default::default())?;
        run.write_json(RECORD, &NetworkRecord { validation: *validation, ..self.record.clone() })
    }

    fn save(&self, into: &mut TensorMap) {
        save_network(&self.network, &self.adam, into);
        if let Some(average) = &self.average {
            average.save(into);
        }
        if let Some((score, weights)) = &self.best {
            into.insert("best_score".into(), tch::Tensor::from_slice(&[*score]));
            into.extend(weights.iter().map(|(name, p)| (format!("best.{name}"), p.shallow_clone())));
        }
    }

    fn load(&mut self, from: &TensorMap, file: &std::path::Path) -> Result<()> {
        self.adam = load_network(&self.network, from, file)?;
        if let Some(average) = &self.average {
            average.load(from, file)?;
        }
        if let Some(score) = from.get("best_score") {
            if score.size() != [1] {
                return Err(misfit(file, "best_score".to_owned()));
            }
            let weights: TensorMap =
                self.network.parameters().iter().map(|(name, p)| (name.clone(), p.detach().zeros_like())).collect();
            copy_into(&weights, from, "best.", file)?;
            self.best = Some((score.double_value(&[0]), weights));
        }
        Ok(())
    }
}

/// Trains `architecture` from scratch, or goes on with the training that lies in `run`.
///
/// It trains on the weights and alpha parts together. After every epoch the run's folder holds the
/// weights that scored best on the validation part.
///
/// # Errors
/// - An architecture that cannot be built at the recipe's sizes.
/// - Parts without samples.
/// - A loss that is not finite.
/// - A checkpoint that does not fit.
/// - Files that cannot be read or written.
pub fn retrain<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    architecture: &Architecture,
    task: &T,
    run: &RunFolder,
) -> Result<RetrainResult> {
    let parts = Splits::for_training(task.data(), recipe)?;
    let mut train = [parts.weights, parts.alpha].concat();
    train.sort_unstable();
    train_alone(recipe, pool, architecture, task, run, Parts { train: &train, validation: &parts.validation })
}

/// The samples of a training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// Those that it is trained on, in rising order.
    pub train: &'a [usize],
    /// Those that its score is of.
    pub validation: &'a [usize],
}

/// As [`retrain`], on other parts of the data.
pub(crate) fn train_alone<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    architecture: &Architecture,
    task: &T,
    run: &RunFolder,
    Parts { train, validation }: Parts<'_>,
) -> Result<RetrainResult> {
    let data = task.data();
    let settings = &recipe.retrain;
    seed_torch(recipe.seed, "initial weights", 1);
    let dimensions = dimensions(recipe, task, settings.hidden);
    let space = recipe.space_of(architecture, pool)?;
    let norm = if recipe.model.standardise { Some(data.feature_norm(train)?) } else { None };
    let build = || {
        let mut network = Network::new(&space, &dimensions, Naming::Derived, data.device(), T::head);
        network.set_precision(recipe.model.precision);
        network.set_feature_norm(norm.as_ref().map(FeatureNorm::share));
        network
    };
    let mut network = build();
    task.start(train, &mut network)?;
    let average = settings.average.map(|share| {
        let mut mean = build();
        // Weights of another run bring how they standardise.
        mean.set_feature_norm(network.feature_norm().map(FeatureNorm::share));
        tch::no_grad(|| {
            let pairs = mean.parameters().values().zip(network.parameters().values());
            pairs.for_each(|(mean, start)| mean.shallow_clone().copy_(start));
        });
        Ema::new(mean, share)
    });
    let parameters = network.trained_numbers();
    let record = NetworkRecord {
        task: T::NAME.to_owned(),
        architecture: architecture.clone(),
        dimensions,
        max_tokens: recipe.text.max_tokens,
        parameters,
        validation: 0.0,
        vision_sha256: data.vision_sha256().to_owned(),
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("MMNAS_COMMIT").map(str::to_owned),
            seed: recipe.seed,
            data: data.provenance(),
            recipe: serde_json::to_value(recipe).map_err(|e| mmnas_bundle::Error::json("recipe", &e))?,
        },
    };
    write_atomically(&run.file(TOKENIZER), data.vocabulary().to_tokenizer_json().as_bytes())?;
    run.write_json(LABELS, &task.labels())?;
    let total = Trainer::<T>::total_steps(settings, train.len());
    let mut learner =
        RetrainLearner { recipe, network, average, adam: Adam::default(), best: None, examples: None, record };
    let trainer = Trainer {
        task,
        run,
        settings,
        seed: recipe.seed,
        train,
        other: None,
        validation,
        published: recipe.published,
        progress: Progress::new("retrain", total),
    };
    let records = trainer.run(&mut learner)?;
    let validation = learner.best.map_or(0.0, |(score, _)| score);
    let best = records.iter().rev().find(|record| record.validation == validation);
    let metrics = best.and_then(|record| serde_json::from_value(record.notes.get("metrics")?.clone()).ok());
    Ok(RetrainResult { records, validation, metrics: metrics.unwrap_or_default(), parameters })
}

/// Number of trained numbers of `architecture` as [`retrain`] would train it.
///
/// # Errors
/// An operation that the pool does not have; an architecture that cannot be built at the recipe's
/// sizes.
pub fn parameters<T: Task>(recipe: &Recipe, pool: &Pool, task: &T, architecture: &Architecture) -> Result<u64> {
    let space = recipe.space_of(architecture, pool)?;
    let dimensions = dimensions(recipe, task, recipe.retrain.hidden);
    Ok(Network::new(&space, &dimensions, Naming::Derived, tch::Device::Cpu, T::head).trained_numbers())
}
