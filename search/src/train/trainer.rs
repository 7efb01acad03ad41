//! The loop that searching and retraining share: epochs, steps, validation, checkpoints, resuming.

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::nn::dropout::Dropout;
use crate::nn::tensors::{Checkpoint, TensorMap};
use crate::progress::Progress;
use crate::recipe::published::Published;
use crate::recipe::train::TrainSettings;
use crate::run::epoch_log::EpochRecord;
use crate::run::files::LOG;
use crate::run::folder::RunFolder;
use crate::run::tensorboard::write_events;
use crate::seed::{rng, seed, seed_torch};
use crate::space::arch_path::ArchPath;
use crate::task::{EpochStart, EpochState as _, Evaluation, Reduction, Task};
use crate::train::step_position::StepPosition;
use crate::train::weight_step::MicroBatch;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TrainerState {
    next: StepPosition,
    loss_sum: f64,
    loss_count: f64,
    /// Seconds of the epoch before the process that goes on with it.
    spent: f64,
    records: Vec<EpochRecord>,
    /// All epochs are over, or a rule has ended the run.
    ended: bool,
    /// The work after the last epoch is done too.
    concluded: bool,
}

/// The part of the loop that differs between searching and retraining.
pub(crate) trait Learner<T: Task> {
    /// Trains on one step's samples; returns the loss, reduced as the task does.
    ///
    /// The samples are given in parts whose gradients add up.
    fn step(
        &mut self,
        task: &T,
        parts: &[MicroBatch<T::Batch>],
        epoch_state: &T::EpochState,
        learning_rate: f64,
        at: StepPosition,
    ) -> Result<f64>;

    /// The network and the path through it that validation measures.
    fn best_path(&self) -> (&Network, ArchPath);

    /// The path that mines negatives at the start of an epoch.
    ///
    /// `total` is the number of weight steps since the run's start.
    fn mining_path(&self, total: u64) -> ArchPath;

    /// Called after validation; adds to the epoch's record.
    fn epoch_ended(&mut self, evaluation: &Evaluation) -> serde_json::Map<String, serde_json::Value>;

    /// Whether the run has come to its end before its last epoch.
    fn has_ended(&self, records: &[EpochRecord]) -> bool;

    /// Does the work after the last epoch; says whether it changed the best path.
    fn conclude(&mut self, _task: &T) -> Result<bool> {
        Ok(false)
    }

    /// Writes results into the run's folder after an epoch.
    fn publish(&self, run: &RunFolder) -> Result<()>;

    fn save(&self, into: &mut TensorMap);
    fn load(&mut self, from: &TensorMap, file: &std::path::Path) -> Result<()>;
}

/// The loop of epochs, steps, validation and checkpoints.
pub(crate) struct Trainer<'a, T: Task> {
    pub task: &'a T,
    pub run: &'a RunFolder,
    pub settings: &'a TrainSettings,
    pub seed: u64,
    /// The part that trains weights.
    pub train: &'a [usize],
    /// Another part that is trained on, where there is one: alpha's.
    pub other: Option<&'a [usize]>,
    pub validation: &'a [usize],
    pub published: Published,
    pub progress: Progress,
}

/// Runs the network along a path in evaluation.
pub(crate) fn evaluate<T: Task>(
    task: &T,
    (network, path): (&Network, &ArchPath),
    samples: &[usize],
    batch: usize,
) -> Result<Evaluation> {
    let _guard = tch::no_grad_guard();
    task.evaluate(samples, batch, &mut |inputs: &Inputs| network.forward(inputs, path, Dropout(0.0)))
}

impl<T: Task> Trainer<'_, T> {
    /// Number of weight steps of a whole run.
    pub(crate) fn total_steps(settings: &TrainSettings, samples: usize) -> u64 {
        (settings.samples_of(samples).div_ceil(settings.batch) * settings.epochs) as u64
    }

    /// Runs to the end and returns the records of all epochs.
    ///
    /// It starts from the run's checkpoint where there is one.
    pub(crate) fn run(&self, learner: &mut dyn Learner<T>) -> Result<Vec<EpochRecord>> {
        let mut state = TrainerState {
            next: StepPosition { epoch: 0, step: 0, total: 0 },
            loss_sum: 0.0,
            loss_count: 0.0,
            spent: 0.0,
            records: Vec::new(),
            ended: false,
            concluded: false,
        };
        let mut epoch_state = T::EpochState::default();
        let mut decays_from = 0;
        let file = self.run.checkpoint();
        if file.exists() {
            let checkpoint: Checkpoint<TrainerState> = Checkpoint::load(&file)?;
            learner.load(&checkpoint.tensors, &file)?;
            epoch_state = T::EpochState::load(&checkpoint.tensors).map_err(|name| misfit(&file, name))?;
            state = checkpoint.state;
            self.progress.resume_at(state.next.total);
            self.progress.line(&format!("resumed at epoch {}, step {}", state.next.epoch, state.next.step));
            if self.published.resume_skips_decays {
                decays_from = state.next.epoch;
            }
        }
        while !state.ended && state.next.epoch < self.settings.epochs {
            let started = Instant::now();
            let learning_rate = self.settings.learning_rate(state.next.epoch, decays_from);
            if state.next.step == 0 {
                self.begin_epoch(learner, &mut epoch_state, state.next)?;
            }
            self.epoch(learner, &mut state, &epoch_state, (learning_rate, started))?;
            if !file.exists() {
                // Results never lie in a folder that has had no checkpoint: where there are some
                // without one, it was lost.
                let spent = state.spent + started.elapsed().as_secs_f64();
                self.save(learner, &TrainerState { spent, ..state.clone() }, &epoch_state)?;
            }
            let mut record = EpochRecord {
                epoch: state.next.epoch,
                learning_rate,
                loss: state.loss_sum / state.loss_count.max(1.0),
                validation: 0.0,
                seconds: 0.0,
                notes: serde_json::Map::new(),
            };
            self.measure(learner, &mut record)?;
            record.seconds = state.spent + started.elapsed().as_secs_f64();
            self.say(&record);
            if let Some(told) = without_loss(&record, &state.records) {
                self.progress.line(&told);
            }
            state.records.push(record);
            state.next = StepPosition { epoch: state.next.epoch + 1, step: 0, total: state.next.total };
            (state.loss_sum, state.loss_count, state.spent) = (0.0, 0.0, 0.0);
            state.ended = state.next.epoch >= self.settings.epochs || learner.has_ended(&state.records);
            self.publish(learner, &state)?;
            self.save(learner, &state, &epoch_state)?;
        }
        if state.concluded {
            // Nothing is left to do, but results that the checkpoint holds are written again where
            // they were lost.
            self.publish(learner, &state)?;
        } else {
            let started = Instant::now();
            let changed = learner.conclude(self.task)?;
            // The last epoch's line says what was found in the end, and what it took.
            if let Some(last) = state.records.last_mut() {
                if changed {
                    self.measure(learner, last)?;
                }
                last.seconds += started.elapsed().as_secs_f64();
            }
            state.concluded = true;
            self.publish(learner, &state)?;
            self.save(learner, &state, &epoch_state)?;
        }
        self.progress.finish();
        Ok(state.records)
    }

    /// Measures the best path on the validation part, and notes it.
    fn measure(&self, learner: &mut dyn Learner<T>, record: &mut EpochRecord) -> Result<()> {
        let (network, path) = learner.best_path();
        let at_once = self.settings.evaluated_at_once();
        let evaluation = evaluate(self.task, (network, &path), self.validation, at_once)?;
        record.validation = evaluation.score;
        record.notes = learner.epoch_ended(&evaluation);
        record.notes.insert("metrics".to_owned(), serde_json::json!(evaluation.metrics));
        Ok(())
    }

    fn publish(&self, learner: &dyn Learner<T>, state: &TrainerState) -> Result<()> {
        learner.publish(self.run)?;
        self.run.write_json_lines(LOG, &state.records)?;
        write_events(self.run, &state.records)
    }

    fn say(&self, record: &EpochRecord) {
        let derived = record.notes.get("architecture").and_then(|a| a.as_str());
        let derived = derived.map_or_else(String::new, |a| format!(", {a}"));
        self.progress.line(&format!(
            "epoch {}: loss {:.4}, validation {:.2} %{derived}, {:.0} s",
            record.epoch,
            record.loss,
            100.0 * record.validation,
            record.seconds
        ));
    }

    fn begin_epoch(&self, learner: &dyn Learner<T>, epoch_state: &mut T::EpochState, at: StepPosition) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let (network, _) = learner.best_path();
        let path = learner.mining_path(at.total);
        let mut own = self.order(at.epoch);
        own.sort_unstable();
        let parts: Vec<&[usize]> = std::iter::once(own.as_slice()).chain(self.other).collect();
        let start = EpochStart {
            epoch: at.epoch,
            seed: self.seed,
            parts: &parts,
            negatives: self.settings.negatives,
            false_negatives: self.published.false_negatives,
            batch: self.settings.evaluated_at_once(),
        };
        self.task.begin_epoch(&start, epoch_state, &mut |inputs| network.forward(inputs, &path, Dropout(0.0)))
    }

    /// The samples of an epoch in their order.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order = self.train.to_vec();
        order.shuffle(&mut rng(self.seed, "order", epoch as u64));
        order.truncate(self.settings.samples_of(order.len()));
        order
    }

    /// Runs the rest of one epoch.
    ///
    /// Batches are loaded ahead on a thread of their own.
    fn epoch(
        &self,
        learner: &mut dyn Learner<T>,
        state: &mut TrainerState,
        epoch_state: &T::EpochState,
        (learning_rate, started): (f64, Instant),
    ) -> Result<()> {
        let (epoch, first) = (state.next.epoch, state.next);
        let order = self.order(epoch);
        let steps: Vec<&[usize]> = order.chunks(self.settings.batch).skip(first.step).collect();
        let load = |number: usize| -> Result<Vec<MicroBatch<T::Batch>>> {
            let part = |(part, indices): (usize, &[usize])| {
                let counter = (first.total + number as u64) * self.settings.accumulate as u64 + part as u64;
                let batch = self.task.batch(indices, epoch_state, seed(self.seed, "batch", counter))?;
                Ok(MicroBatch { batch, samples: indices.len() })
            };
            steps[number].chunks(self.settings.batch / self.settings.accumulate).enumerate().map(part).collect()
        };
        // Asked for here, so that this thread has its number before the loader sets its own:
        // libtorch gives a thread that has none yet the number that was set last, and sums of fewer
        // threads round in another order.
        let threads = tch::get_num_threads();
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(self.settings.prefetch);
            let (load, count) = (&load, steps.len());
            scope.spawn(move || {
                // One thread is enough to copy with. A second team of threads beside the one that
                // computes would make the waiting of both slow.
                tch::set_num_threads(1);
                for number in 0..count {
                    // Nobody receives any more where the loop below has ended early.
                    if sender.send(load(number)).is_err() {
                        break;
                    }
                }
                tch::set_num_threads(threads);
            });
            for (number, indices) in steps.iter().enumerate() {
                // A loader that panicked passes its panic on at the end of the scope.
                let Ok(parts) = receiver.recv() else { return Ok(()) };
                let at = StepPosition { epoch, step: first.step + number, total: state.next.total };
                seed_torch(self.seed, "step", at.total);
                let loss = learner.step(self.task, &parts?, epoch_state, learning_rate, at)?;
                let samples = indices.len() as f64;
                state.loss_sum += if T::REDUCTION == Reduction::Sum { loss } else { loss * samples };
                state.loss_count += samples;
                state.next = StepPosition { epoch, step: at.step + 1, total: at.total + 1 };
                self.progress
                    .at(state.next.total, || format!("epoch {epoch}, loss {:.4}", state.loss_sum / state.loss_count));
                let every = self.settings.checkpoint_steps;
                if every > 0 && state.next.total.is_multiple_of(every) && number + 1 < steps.len() {
                    let spent = state.spent + started.elapsed().as_secs_f64();
                    self.save(learner, &TrainerState { spent, ..state.clone() }, epoch_state)?;
                }
            }
            Ok(())
        })
    }

    fn save(&self, learner: &dyn Learner<T>, state: &TrainerState, epoch_state: &T::EpochState) -> Result<()> {
        let mut tensors = TensorMap::new();
        learner.save(&mut tensors);
        epoch_state.save(&mut tensors);
        Checkpoint { state: state.clone(), tensors }.save(&self.run.checkpoint())
    }
}

/// The note on an epoch with a loss of exactly 0.
///
/// Only the first such epoch of a run has one.
fn without_loss(record: &EpochRecord, earlier: &[EpochRecord]) -> Option<String> {
    let is_first = record.loss == 0.0 && earlier.iter().all(|record| record.loss != 0.0);
    is_first.then(|| {
        let epoch = record.epoch;
        format!("the loss of epoch {epoch} is exactly 0: no sample in it has a target to miss, and nothing was learnt")
    })
}

/// The error of a checkpoint's tensor that does not fit the run.
pub(crate) fn misfit(file: &std::path::Path, field: String) -> Error {
    Error::Checkpoint {
        file: file.to_path_buf(),
        field,
        expected: "a state that fits the recipe's network".into(),
        found: "another".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_exactly_0_is_told_once() {
        let record = |epoch, loss| EpochRecord {
            epoch,
            learning_rate: 1e-3,
            loss,
            validation: 0.0,
            seconds: 0.0,
            notes: serde_json::Map::new(),
        };
        let earlier = [record(0, 0.3)];
        assert_eq!(without_loss(&record(1, 1e-30), &earlier), None);
        assert!(without_loss(&record(1, 0.0), &earlier).unwrap().contains("epoch 1 is exactly 0"));
        assert_eq!(without_loss(&record(2, 0.0), &[record(0, 0.3), record(1, 0.0)]), None);
    }
}
