//! The two steps of a search, on a supernet and batches of synthetic data.

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::negatives::{HardBy, NegativeSettings};
use mmnas_search::recipe::train::TrainSettings;
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::batch::VqaBatch;
use mmnas_search::train::search::gate_gradients;
use mmnas_search::{
    Adam, AdamSettings, Alpha, ArchPath, Choice, MatmulPrecision, MicroBatch, Naming, Network, Result, Space,
    StepPosition, StepSettings, weight_step,
};
use tch::{Device, Tensor};

use super::machine;
use super::synthetic::SyntheticTask;

const SETTINGS: TrainSettings = TrainSettings {
    hidden: 0,
    epochs: 1,
    batch: 0,
    clip: 1.0,
    warmup: Vec::new(),
    decay_epochs: Vec::new(),
    decay: 1.0,
    checkpoint_steps: 0,
    adam: AdamSettings { lr: LEARNING_RATE, betas: (0.9, 0.98), epsilon: 1e-9 },
    accumulate: 1,
    epoch_samples: None,
    average: None,
    patience: None,
    prefetch: 0,
    negatives: NegativeSettings { pool: 1, keep: 1, from_epoch: 0, mine_from_epoch: 0, by: HardBy::Score },
};
const LEARNING_RATE: f64 = 1e-5;
const DROPOUT: f64 = 0.1;

/// A supernet and its optimiser. Steps return once their work is done, on whatever device.
#[derive(Debug)]
pub struct Steps {
    network: Network,
    adam: Adam,
}

impl Steps {
    /// A supernet of the published space.
    pub fn new(encoder: usize, decoder: usize, dimensions: &Dimensions, device: Device) -> Steps {
        let space = Space::published(encoder, decoder);
        let network = Network::new(&space, dimensions, Naming::Supernet, device, SyntheticTask::head);
        Steps { network, adam: Adam::default() }
    }

    /// See [`Network::set_precision`].
    pub fn set_precision(&mut self, precision: MatmulPrecision) {
        self.network.set_precision(precision);
    }

    /// The operations of repetition `number`, drawn uniformly: the same in every step of one number.
    fn active(&self, number: u64) -> Vec<usize> {
        Alpha::uniform(self.network.space()).sample(1, "bench path", number)
    }

    /// A step on the weights, dropout as in training.
    pub fn weight_step(&mut self, batch: &VqaBatch, number: u64) -> Result<()> {
        let path = ArchPath::single(&self.active(number));
        let settings =
            StepSettings { train: &SETTINGS, learning_rate: LEARNING_RATE, dropout: DROPOUT, momentum_drift: false };
        let at = StepPosition { epoch: 0, step: 0, total: number };
        let part = MicroBatch { batch, samples: batch.target.size()[0] as usize };
        weight_step((&self.network, &mut self.adam), (&SyntheticTask, &[part]), &[path], settings, at)?;
        machine::synchronize(self.network.device());
        Ok(())
    }

    /// The gates' gradients of a step on alpha in mode `full`, with the weight step's operations on.
    pub fn architecture_step(&self, batch: &VqaBatch, number: u64) -> Result<()> {
        let choice = |(active, operations): (usize, &[_])| {
            let n = operations.len();
            Choice::gated(active, (0..n).filter(|&k| k != active).collect(), n, self.network.device())
        };
        let path = ArchPath(self.active(number).into_iter().zip(self.network.space().blocks()).map(choice).collect());
        let _ = gate_gradients(&self.network, &SyntheticTask, batch, &path, DROPOUT, &[])?;
        machine::synchronize(self.network.device());
        Ok(())
    }

    /// The logits of a batch without dropout.
    pub fn logits(&self, batch: &VqaBatch, number: u64) -> Tensor {
        let path = ArchPath::single(&self.active(number));
        tch::no_grad(|| self.network.forward(&batch.inputs, &path, Dropout(0.0)).scores)
    }
}
