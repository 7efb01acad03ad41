//! What a network is for.
//!
//! A task gives how samples become tensors, a head, a loss and a metric. Everything else — space,
//! supernet, strategy, trainer, checkpoint — is written once.

pub mod cca;
pub mod example;
pub mod itm;
pub mod pooled_head;
pub mod vgd;
pub mod vqa;

use std::collections::BTreeMap;

use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions};
use tch::{Device, Tensor, nn};

use crate::data::data_files::DataFiles;
use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::{Head, HeadOutput};
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::nn::tensors::TensorMap;
use crate::recipe::Recipe;
use crate::recipe::negatives::NegativeSettings;
use crate::task::example::Example;

/// Runs the network on some inputs; gives the output of its head.
pub type Forward<'a> = dyn FnMut(&Inputs) -> HeadOutput + 'a;

/// How the losses of a batch's samples become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// A mean: over the batch, or over those of its parts that count.
    Mean,
}

/// Sizes of a task's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadDimensions {
    /// Number of outputs: answers for VQA, 1 for ITM and VGD.
    pub outputs: usize,
    /// What it embeds texts and images by; none by default.
    pub embeddings: Option<EmbeddingDimensions>,
}

/// What a metric says about some samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// The task's metric, 0 to 1: what checkpoints, strategies and stopping rules compare.
    pub score: f64,
    /// Metrics behind it by name: accuracy by type of answer, recall@k both ways.
    pub metrics: BTreeMap<String, f64>,
    /// Some of the samples and their results, for people to look at.
    pub examples: Vec<Example>,
}

impl Evaluation {
    /// Most examples of an evaluation.
    pub const EXAMPLES: usize = 64;

    /// Whether sample number `k` of `count` becomes an example: they are spread evenly.
    pub fn is_example(k: usize, count: usize) -> bool {
        k.is_multiple_of(count.div_ceil(Self::EXAMPLES).max(1))
    }
}

/// What a run keeps from epoch to epoch besides weights and alpha.
///
/// It is part of the run's checkpoints.
pub trait EpochState: Default + Send + Sync {
    /// Adds it to a checkpoint.
    fn save(&self, into: &mut TensorMap);

    /// Reads what [`EpochState::save`] wrote.
    ///
    /// # Errors
    /// A tensor that is missing or damaged, by its name.
    fn load(from: &TensorMap) -> std::result::Result<Self, String>;
}

impl EpochState for () {
    fn save(&self, _into: &mut TensorMap) {}

    fn load(_from: &TensorMap) -> std::result::Result<Self, String> {
        Ok(())
    }
}

/// What is known when an epoch begins.
#[derive(Debug)]
pub struct EpochStart<'a> {
    /// Epoch, from 0.
    pub epoch: usize,
    /// The run's seed.
    pub seed: u64,
    /// The parts whose samples are trained on.
    ///
    /// Negatives of a part come from the same part.
    pub parts: &'a [&'a [usize]],
    /// How negatives are found.
    pub negatives: NegativeSettings,
    /// Published behaviour: random negatives may be true matches.
    pub false_negatives: bool,
    /// Samples that are run at once.
    pub batch: usize,
}

/// A task on its data.
///
/// It gives how samples become tensors, a head, a loss and a metric. Data sets are read from
/// several threads.
///
/// ```no_run
/// use std::path::Path;
///
/// use mmnas_search::data::data_files::DataFiles;
/// use mmnas_search::recipe::Recipe;
/// use mmnas_search::task::Task as _;
/// use mmnas_search::task::vqa::data::VqaData;
///
/// # fn main() -> mmnas_search::Result<()> {
/// let recipe = Recipe::read(Path::new("recipe.toml"), &[])?;
/// let files = DataFiles::new("train.jsonl", "features");
/// let data = VqaData::load(&files, &recipe, tch::Device::Cpu)?;
/// println!("{} answers", data.labels().len());
/// # Ok(())
/// # }
/// ```
pub trait Task: Sync {
    /// The task's name in runs and bundles: "vqa", "itm", "vgd".
    const NAME: &'static str;

    /// How [`Task::loss`] is reduced.
    const REDUCTION: Reduction = Reduction::Sum;

    /// Tensors of some samples.
    type Batch: Send;

    /// What is kept from epoch to epoch; `()` for nothing.
    type EpochState: EpochState;

    /// Reads the data with every setting of the recipe that concerns it.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be, with its name and line; settings
    /// that do not fit the data.
    fn load(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<Self>
    where
        Self: Sized;

    /// Makes the head with its parameters under `vs`.
    fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head>;

    /// Images, features and words of the data.
    fn data(&self) -> &ImageTextData;

    /// The same data, to change what a network is shown.
    fn data_mut(&mut self) -> &mut ImageTextData;

    /// Sizes of the head that a network for this data gets.
    fn head_dimensions(&self) -> HeadDimensions;

    /// Notes on the samples that a run trains on.
    ///
    /// `seen` are the images of these samples that were looked at.
    ///
    /// # Errors
    /// Samples that nothing can be learnt from.
    fn learnable(&self, _parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Gives a new network its start besides random weights.
    ///
    /// `train` are the samples of its training.
    ///
    /// # Errors
    /// Files that cannot be read or do not fit the network; data that a closed form cannot be
    /// computed of.
    fn start(&self, _train: &[usize], network: &mut Network) -> Result<()> {
        self.data().start(network)
    }

    /// The names of the outputs, if they have names: the answers of VQA.
    fn labels(&self) -> &[String];

    /// Loads the samples `indices` to train on.
    ///
    /// Random decisions are drawn from `seed`.
    ///
    /// # Errors
    /// Features that cannot be read.
    fn batch(&self, indices: &[usize], epoch_state: &Self::EpochState, seed: u64) -> Result<Self::Batch>;

    /// Called before the first step of an epoch; `forward` runs the network in evaluation.
    ///
    /// # Errors
    /// Features that cannot be read.
    fn begin_epoch(
        &self,
        _start: &EpochStart<'_>,
        _epoch_state: &mut Self::EpochState,
        _forward: &mut Forward<'_>,
    ) -> Result<()> {
        Ok(())
    }

    /// The loss of the batch, reduced as [`Task::REDUCTION`] says.
    ///
    /// `forward` runs the network.
    fn loss(&self, batch: &Self::Batch, forward: &mut Forward<'_>) -> Tensor;

    /// The metric on `samples`, of which `batch` are run at once.
    ///
    /// # Errors
    /// Features that cannot be read.
    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation>;
}
