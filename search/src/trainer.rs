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
pub struct Moment {
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
    /// Mean training loss, of a sample where the task's loss is a sum.
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
            if state.next.epoch >= self.settings.epochs {
                // Nothing is left to train, but results that were lost are written again from the checkpoint.
                learner.publish(self.run)?;
                self.run.write_json_lines("log.jsonl", &state.records)?;
            }
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
            state.loss_count += T::loss_terms(indices.len());
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
pub fn weight_step<T: Task>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageTextData;
    use crate::task::vqa::{VqaBatch, loss};
    use crate::task::{Head, Task};
    use crate::{AdamSettings, Inputs, Naming, Parameters, Space};
    use mmnas_bundle::manifest::{Dimensions, TaskName};
    use tch::{Device, Kind, nn};

    /// VQA without files: batches are made by the test.
    struct Toy;

    impl Task for Toy {
        const NAME: TaskName = TaskName::Vqa;
        type Batch = VqaBatch;
        fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head> {
            crate::data::VqaData::head(vs, dimensions)
        }
        fn data(&self) -> &ImageTextData {
            unreachable!("a step reads no files")
        }
        fn outputs(&self) -> usize {
            3
        }
        fn labels(&self) -> &[String] {
            &[]
        }
        fn batch(&self, _: &[usize]) -> Result<VqaBatch> {
            let float = (Kind::Float, Device::Cpu);
            let inputs = Inputs {
                tokens: Tensor::randint(9, [4, 5], (Kind::Int64, Device::Cpu)),
                features: Tensor::randn([4, 6, 8], float),
                boxes: Tensor::from_slice(&[0f32, 0.0, 9.0, 9.0]).expand([4, 6, 4], false),
                token_count: vec![5, 3, 1, 2],
                region_count: vec![6, 6, 2, 1],
            };
            Ok(VqaBatch { inputs, target: Tensor::rand([4, 3], float) })
        }
        fn loss(&self, batch: &VqaBatch, forward: &mut dyn FnMut(&Inputs) -> Tensor) -> Tensor {
            loss(&forward(&batch.inputs), &batch.target)
        }
        fn score(&self, _: &VqaBatch, _: &mut dyn FnMut(&Inputs) -> Tensor) -> Score {
            Score::default()
        }
    }

    const SETTINGS: TrainSettings = TrainSettings {
        hidden: 64,
        epochs: 1,
        batch: 4,
        clip: 1.0,
        warmup: Vec::new(),
        decay_epochs: Vec::new(),
        decay: 1.0,
        checkpoint_steps: 0,
        adam: AdamSettings { lr: 1e-2, betas: (0.9, 0.98), epsilon: 1e-9 },
    };
    const START: Moment = Moment { epoch: 0, step: 0, total: 0 };

    fn supernet() -> Network {
        let dimensions = Dimensions {
            hidden: 64,
            feature: 8,
            embedding: 6,
            vocabulary: 9,
            outputs: 3,
            attflat: 7,
            head: 64,
            relation: 5,
        };
        Network::new::<Toy>(&Space::published(1, 2), &dimensions, Naming::Supernet, Device::Cpu)
    }

    fn copy(network: &Network) -> Parameters {
        network.parameters().iter().map(|(name, p)| (name.clone(), p.detach().copy())).collect()
    }

    #[test]
    fn a_weight_step_moves_the_sampled_path_and_nothing_else() {
        let (network, mut adam) = (supernet(), Adam::default());
        let batch = Toy.batch(&[]).unwrap();
        let step = |adam: &mut Adam, path: &Path| {
            weight_step((&network, adam), (&Toy, &batch), path, (&SETTINGS, 1e-2, 0.0), START).unwrap()
        };
        // Encoder SA; decoder RSA, GA. Then FFN everywhere: the first path's operations must rest, momentum or not.
        let first = Path::single(&[0, 1, 2]);
        let before = copy(&network);
        step(&mut adam, &first);
        let between = copy(&network);
        step(&mut adam, &Path::single(&[1, 3, 3]));
        let after = copy(&network);
        let on_first = network.parameters_on(&first);
        assert!(on_first.iter().any(|name| name.starts_with("linear_y_rel")));
        for name in network.parameters().keys() {
            let of_operation = name.contains("candidate_ops");
            let moved_first = !before[name].equal(&between[name]);
            let expected = on_first.contains(&name);
            // Where every relation lies below its clamp, RSA's bias has no gradient and stays.
            let may_stay = name.contains("linear_r.") || name.contains("linear_y_rel.");
            assert!(moved_first == expected || (may_stay && expected), "{name}, first step");
            if of_operation && expected {
                assert!(between[name].equal(&after[name]), "{name} drifted in the second step");
            }
        }
    }

    #[test]
    fn training_lowers_the_loss_and_an_infinite_one_is_an_error() {
        let (network, mut adam) = (supernet(), Adam::default());
        let mut batch = Toy.batch(&[]).unwrap();
        let path = Path::single(&[0, 1, 2]);
        let mut step =
            |batch: &VqaBatch| weight_step((&network, &mut adam), (&Toy, batch), &path, (&SETTINGS, 1e-3, 0.0), START);
        let losses: Vec<f64> = (0..30).map(|_| step(&batch).unwrap()).collect();
        assert!(losses[29] < 0.9 * losses[0], "{losses:?}");
        batch.target = Tensor::full([4, 3], f64::INFINITY, (Kind::Float, Device::Cpu));
        let kept = copy(&network);
        assert!(matches!(step(&batch), Err(Error::NotFinite { what: "loss", .. })));
        assert!(network.parameters().iter().all(|(name, p)| p.equal(&kept[name])), "the weights are kept");
    }

    #[test]
    fn gradients_are_clipped_to_their_norm() {
        let name = "w".to_owned();
        let mut gradients = vec![(&name, Tensor::from_slice(&[3f32, 4.0])), (&name, Tensor::from_slice(&[12f32]))];
        assert!((gradient_norm(&gradients) - 13.0).abs() < 1e-6);
        clip_gradients(&mut gradients, 13.0, 1.0);
        assert!((gradient_norm(&gradients) - 1.0).abs() < 1e-5);
        clip_gradients(&mut gradients, 1.0, 2.0);
        assert!((gradient_norm(&gradients) - 1.0).abs() < 1e-5, "a smaller gradient stays");
    }

    #[test]
    fn an_architecture_step_asks_for_no_gradient_of_weights() {
        let network = supernet();
        let batch = Toy.batch(&[]).unwrap();
        let alpha = crate::Alpha::uniform(network.space());
        let path = alpha.sample_gated(crate::SamplingMode::Full, 1, "test", 0, Device::Cpu);
        let before = copy(&network);
        let (loss, gates) = crate::search::gate_gradients(&network, &Toy, &batch, &path, 0.0, &[]).unwrap();
        assert!(loss.double_value(&[]).is_finite());
        assert_eq!(gates.iter().map(|g| g.size()[0]).collect::<Vec<_>>(), [2, 4, 4]);
        for (name, parameter) in network.parameters() {
            assert!(!parameter.grad().defined() && parameter.equal(&before[name]), "{name}");
        }
        // The gated output is the active operation's.
        let active: Vec<usize> = path.0.iter().map(crate::Choice::active).collect();
        let plain = network.forward(&batch.inputs, &Path::single(&active), Dropout(0.0));
        let gated = network.forward(&batch.inputs, &path, Dropout(0.0));
        assert!((plain - gated).abs().max().double_value(&[]) < 1e-6);
    }
}
