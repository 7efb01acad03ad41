//! The loop that searching and retraining share: epochs, steps, validation, checkpoints, resuming.

use std::time::Instant;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::adam::{clip_gradients, gradient_norm};
use crate::operations::Dropout;
use crate::progress::Progress;
use crate::recipe::TrainSettings;
use crate::seed::seed_torch;
use crate::task::{Score, Task};
use crate::{Adam, Checkpoint, Error, Network, Path, Result, RunFolder, TensorMap, rng};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step inside the epoch, from 0.
    pub step: usize,
    /// Weight steps since the start.
    pub total: u64,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Learning rate of the weights.
    pub learning_rate: f64,
    /// Mean training loss of a sample.
    pub loss: f64,
    /// Score on the validation part, 0 to 1.
    pub validation: f64,
    /// Seconds that the epoch took, of the process that ended it.
    pub seconds: f64,
    /// What the learner adds: alpha, the derived architecture.
    #[serde(flatten)]
    pub notes: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TrainerState {
    next: Moment,
    loss_sum: f64,
    loss_count: f64,
    records: Vec<EpochRecord>,
}

/// What differs between searching and retraining.
pub(crate) trait Learner<T: Task> {
    /// Trains on one batch; returns the loss, a sum over the batch.
    fn step(&mut self, task: &T, batch: &T::Batch, learning_rate: f64, at: Moment) -> Result<f64>;

    /// The network and the path through it that validation measures.
    fn best_path(&self) -> (&Network, Path);

    /// Called after validation; adds to the epoch's record.
    fn epoch_ended(&mut self, validation: f64) -> serde_json::Map<String, serde_json::Value>;

    /// Writes results into the run's folder after an epoch.
    fn publish(&self, run: &RunFolder) -> Result<()>;

    fn save(&self, into: &mut TensorMap);
    fn load(&mut self, from: &TensorMap, file: &std::path::Path) -> Result<()>;
}

/// The loop.
pub(crate) struct Trainer<'a, T: Task> {
    pub task: &'a T,
    pub run: &'a RunFolder,
    pub settings: &'a TrainSettings,
    pub seed: u64,
    pub train: &'a [usize],
    pub validation: &'a [usize],
    pub progress: Progress,
    /// Ends after this many weight steps, as if killed there: what tests of resuming need.
    pub stop_after: Option<u64>,
}

impl<T: Task> Trainer<'_, T> {
    /// Number of weight steps of a whole run.
    pub(crate) fn total_steps(settings: &TrainSettings, samples: usize) -> u64 {
        (samples.div_ceil(settings.batch) * settings.epochs) as u64
    }

    /// Runs to the end, from the run's checkpoint where there is one. Returns the records of all epochs.
    pub(crate) fn run(&self, learner: &mut dyn Learner<T>) -> Result<Vec<EpochRecord>> {
        let mut state = TrainerState {
            next: Moment { epoch: 0, step: 0, total: 0 },
            loss_sum: 0.0,
            loss_count: 0.0,
            records: Vec::new(),
        };
        let file = self.run.checkpoint();
        if file.exists() {
            let checkpoint: Checkpoint<TrainerState> = Checkpoint::load(&file)?;
            learner.load(&checkpoint.tensors, &file)?;
            state = checkpoint.state;
            self.progress.resume_at(state.next.total);
            self.progress.line(&format!("resumed at epoch {}, step {}", state.next.epoch, state.next.step));
        }
        while state.next.epoch < self.settings.epochs {
            let started = Instant::now();
            if !self.epoch(learner, &mut state)? {
                break;
            }
            let epoch = state.next.epoch;
            let validation = self.validate(learner)?.mean();
            let notes = learner.epoch_ended(validation);
            let record = EpochRecord {
                epoch,
                learning_rate: self.settings.learning_rate(epoch),
                loss: state.loss_sum / state.loss_count.max(1.0),
                validation,
                seconds: started.elapsed().as_secs_f64(),
                notes,
            };
            let derived = record
                .notes
                .get("architecture")
                .and_then(|a| a.as_str())
                .map_or_else(String::new, |a| format!(", {a}"));
            self.progress.line(&format!(
                "epoch {epoch}: loss {:.4}, validation {:.2} %{derived}, {:.0} s",
                record.loss,
                100.0 * validation,
                record.seconds
            ));
            state.records.push(record);
            state.next = Moment { epoch: epoch + 1, step: 0, total: state.next.total };
            (state.loss_sum, state.loss_count) = (0.0, 0.0);
            learner.publish(self.run)?;
            self.run.write_json_lines("log.jsonl", &state.records)?;
            self.save(learner, &state)?;
        }
        self.progress.finish();
        Ok(state.records)
    }

    /// The rest of one epoch; false where `stop_after` ended it.
    fn epoch(&self, learner: &mut dyn Learner<T>, state: &mut TrainerState) -> Result<bool> {
        let epoch = state.next.epoch;
        let mut order = self.train.to_vec();
        order.shuffle(&mut rng(self.seed, "order", epoch as u64));
        let batches: Vec<&[usize]> = order.chunks(self.settings.batch).collect();
        for (step, indices) in batches.iter().enumerate().skip(state.next.step) {
            if self.stop_after.is_some_and(|limit| state.next.total >= limit) {
                return Ok(false);
            }
            let at = Moment { epoch, step, total: state.next.total };
            let batch = self.task.batch(indices)?;
            seed_torch(self.seed, "step", at.total);
            let loss = learner.step(self.task, &batch, self.settings.learning_rate(epoch), at)?;
            state.loss_sum += loss;
            state.loss_count += indices.len() as f64;
            state.next = Moment { epoch, step: step + 1, total: at.total + 1 };
            self.progress
                .at(state.next.total, || format!("epoch {epoch}, loss {:.4}", state.loss_sum / state.loss_count));
            let due =
                self.settings.checkpoint_steps > 0 && state.next.total.is_multiple_of(self.settings.checkpoint_steps);
            if due && step + 1 < batches.len() {
                self.save(learner, state)?;
            }
        }
        Ok(true)
    }

    fn validate(&self, learner: &dyn Learner<T>) -> Result<Score> {
        let _guard = tch::no_grad_guard();
        let (network, path) = learner.best_path();
        let mut score = Score::default();
        for indices in self.validation.chunks(4 * self.settings.batch) {
            let batch = self.task.batch(indices)?;
            let part = self.task.score(&batch, &mut |inputs| network.forward(inputs, &path, Dropout(0.0)));
            score = Score { sum: score.sum + part.sum, count: score.count + part.count };
        }
        Ok(score)
    }

    fn save(&self, learner: &dyn Learner<T>, state: &TrainerState) -> Result<()> {
        let mut tensors = TensorMap::new();
        learner.save(&mut tensors);
        Checkpoint { state: state.clone(), tensors }.save(&self.run.checkpoint())
    }
}

/// One step on the weights along `path`: the operations on it move, the others keep weights and moments.
pub(crate) fn weight_step<T: Task>(
    (network, adam): (&Network, &mut Adam),
    (task, batch): (&T, &T::Batch),
    path: &Path,
    (settings, learning_rate, dropout): (&TrainSettings, f64, f64),
    at: Moment,
) -> Result<f64> {
    let loss = task.loss(batch, &mut |inputs| network.forward(inputs, path, Dropout(dropout)));
    let names = network.parameters_on(path);
    let parameters: Vec<&Tensor> = names.iter().map(|&name| &network.parameters()[name]).collect();
    let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
    let mut gradients: Vec<(&String, Tensor)> = names.into_iter().zip(gradients).filter(|(_, g)| g.defined()).collect();
    let value = loss.double_value(&[]);
    let norm = gradient_norm(&gradients);
    for (what, value) in [("loss", value), ("gradient norm", norm)] {
        if !value.is_finite() {
            return Err(Error::NotFinite { epoch: at.epoch, step: at.step, what, value });
        }
    }
    clip_gradients(&mut gradients, norm, settings.clip);
    adam.step(network.parameters(), &gradients, crate::AdamSettings { lr: learning_rate, ..settings.adam });
    Ok(value)
}
