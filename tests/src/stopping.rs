//! A task whose run ends in the middle of an epoch, as a kill would end it.

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::data::dataset::ImageTextData;
use mmnas_search::model::head::Head;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::{EpochStart, Evaluation, Forward, HeadDimensions, Task};
use mmnas_search::{Network, Result, seed};
use tch::{Device, Tensor, nn};

/// The error by which a run ends at its step.
pub const STOPPED: &str = "stopped by the test";

/// `T` on the same data, whose batch of one weight step cannot be loaded.
#[derive(Debug)]
pub struct Stopping<'a, T> {
    task: &'a T,
    /// The seed of that batch.
    seed: u64,
}

impl<'a, T: Task> Stopping<'a, T> {
    /// Ends before weight step `step` of a run with this seed, whose steps are one batch each.
    pub fn before(task: &'a T, step: u64, seed_of_run: u64) -> Stopping<'a, T> {
        Stopping { task, seed: seed(seed_of_run, "batch", step) }
    }
}

/// Whether a run ended there, and not otherwise.
pub fn was_stopped<R: std::fmt::Debug>(result: Result<R>) -> bool {
    result.is_err_and(|error| error.to_string().contains(STOPPED))
}

impl<T: Task> Task for Stopping<'_, T> {
    const NAME: &'static str = T::NAME;
    const REDUCTION: mmnas_search::task::Reduction = T::REDUCTION;

    type Batch = T::Batch;
    type EpochState = T::EpochState;

    fn load(_: &DataFiles, _: &Recipe, _: Device) -> Result<Self> {
        unreachable!("it stands before a task that is loaded")
    }

    fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head> {
        T::head(vs, dimensions)
    }

    fn data(&self) -> &ImageTextData {
        self.task.data()
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        unreachable!("a run does not change its data")
    }

    fn head_dimensions(&self) -> HeadDimensions {
        self.task.head_dimensions()
    }

    fn start(&self, train: &[usize], network: &mut Network) -> Result<()> {
        self.task.start(train, network)
    }

    fn labels(&self) -> &[String] {
        self.task.labels()
    }

    fn batch(&self, indices: &[usize], epoch_state: &T::EpochState, seed: u64) -> Result<T::Batch> {
        if seed == self.seed {
            return Err(mmnas_bundle::Error::invalid("test", "batch", "any", STOPPED).into());
        }
        self.task.batch(indices, epoch_state, seed)
    }

    fn begin_epoch(
        &self,
        start: &EpochStart<'_>,
        epoch_state: &mut T::EpochState,
        forward: &mut Forward<'_>,
    ) -> Result<()> {
        self.task.begin_epoch(start, epoch_state, forward)
    }

    fn loss(&self, batch: &T::Batch, forward: &mut Forward<'_>) -> Tensor {
        self.task.loss(batch, forward)
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        self.task.evaluate(samples, batch, forward)
    }
}
