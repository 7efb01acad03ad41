//! What a network is for. A task gives how samples become tensors, a head, a loss and a metric; everything else —
//! space, supernet, strategy, trainer, checkpoint — is written once.

pub mod cca;
pub mod example;
pub mod itm;
pub mod pooled_head;
pub mod vgd;
pub mod vqa;

use std::collections::BTreeMap;

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::nn::tensors::TensorMap;
use crate::recipe::negatives::NegativeSettings;
use crate::task::example::Example;

/// Runs the network on some inputs; gives the output of its head.
pub type Forward<'a> = dyn FnMut(&Inputs) -> Tensor + 'a;

/// How the losses of a batch's samples become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// A mean: over the batch, or over those of its parts that count.
    Mean,
}

/// What a metric says about some samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// The task's metric, 0 to 1: what checkpoints, strategies and stopping rules compare.
    pub score: f64,
    /// Figures behind it by name: accuracy by type of answer, recall@k both ways.
    pub metrics: BTreeMap<String, f64>,
    /// Some of the samples and what the network made of them, for people to look at.
    pub examples: Vec<Example>,
}

impl Evaluation {
    /// Examples at most.
    pub const EXAMPLES: usize = 64;

    /// Whether sample number `k` of `count` is to be an example: they are spread evenly.
    pub fn is_example(k: usize, count: usize) -> bool {
        k.is_multiple_of(count.div_ceil(Self::EXAMPLES).max(1))
    }
}

/// What a run keeps from epoch to epoch besides weights and alpha, as part of its checkpoints.
pub trait EpochState: Default + Send + Sync {
    /// Adds it to a checkpoint.
    fn save(&self, into: &mut TensorMap);

    /// Reads what [`EpochState::save`] wrote; where it is damaged, an error, the name of the tensor.
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
    /// The parts whose samples are trained on: negatives of a part come from the same part.
    pub parts: &'a [&'a [usize]],
    /// How negatives are found.
    pub negatives: NegativeSettings,
    /// Published behaviour: random negatives may be true matches.
    pub false_negatives: bool,
    /// Samples that are run at once.
    pub batch: usize,
}

/// A task on its data. Data sets are read from several threads.
pub trait Task: Sync {
    /// The task's name in runs and, where one can be exported, in bundles: "vqa", "itm", "vgd".
    const NAME: &'static str;

    /// What [`Task::loss`] gives.
    const REDUCTION: Reduction = Reduction::Sum;

    /// Tensors of some samples.
    type Batch: Send;

    /// What is kept from epoch to epoch; `()` for nothing.
    type EpochState: EpochState;

    /// Makes the head with its parameters under `vs`.
    fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head>;

    /// Images, features and words of the data.
    fn data(&self) -> &ImageTextData;

    /// The same, to be set up.
    fn data_mut(&mut self) -> &mut ImageTextData;

    /// Number of outputs of the head.
    fn outputs(&self) -> usize;

    /// Width of the joint embedding that a network gets, where it gets one.
    fn joint(&self) -> Option<usize> {
        None
    }

    /// Whether the image's part of it reads the features too.
    fn joint_features(&self) -> bool {
        false
    }

    /// Width of the linear part of the joint embedding.
    fn joint_linear(&self) -> Option<usize> {
        None
    }

    /// Width of the linear embeddings of texts and single regions.
    fn region_joint(&self) -> Option<usize> {
        None
    }

    /// Whether the task can do what its recipe asks for: asked before anything of a run is written. A task that does not say which
    /// regions a text means cannot correlate regions with words.
    fn check(&self) -> Result<()> {
        match self.data().region_settings().field_of_correlation() {
            Some(field) => {
                let expected = "a task that says which region a text means: vgd";
                Err(mmnas_bundle::Error::invalid("recipe", field, expected, Self::NAME).into())
            }
            None => Ok(()),
        }
    }

    /// What is worth knowing of the samples that a run trains on, of whose images some were looked at.
    ///
    /// # Errors
    /// Samples that nothing can be learnt from.
    fn learnable(&self, _parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Gives a new network what it starts from besides random weights; `train` is what it will be trained on. Says how far it is where
    /// `progress` asks for it.
    fn start(&self, _train: &[usize], network: &mut Network, _progress: bool) -> Result<()> {
        self.check()?;
        self.data().start(network)
    }

    /// The names of the outputs, where they have names: the answers of VQA.
    fn labels(&self) -> &[String];

    /// Loads the samples `indices` to train on. Random decisions are drawn from `seed`.
    fn batch(&self, indices: &[usize], epoch_state: &Self::EpochState, seed: u64) -> Result<Self::Batch>;

    /// Called before the first step of an epoch; `forward` runs the network in evaluation.
    fn begin_epoch(
        &self,
        _start: &EpochStart<'_>,
        _epoch_state: &mut Self::EpochState,
        _forward: &mut Forward<'_>,
    ) -> Result<()> {
        Ok(())
    }

    /// The loss of the batch, reduced as [`Task::REDUCTION`] says. `forward` runs the network.
    fn loss(&self, batch: &Self::Batch, forward: &mut Forward<'_>) -> Tensor;

    /// The metric on `samples`, of which `batch` are run at once.
    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation>;

    /// The same of a network whose logits are `scale · cosine + bias`; `_logit` is these two ([`Head::cosine_alone`]).
    fn evaluate_by_cosine(
        &self,
        samples: &[usize],
        batch: usize,
        _logit: (f64, f64),
        forward: &mut Forward<'_>,
    ) -> Result<Evaluation> {
        self.evaluate(samples, batch, forward)
    }
}
