//! What a network is for. A task gives how samples become tensors, a head, a loss and a metric; everything else —
//! space, supernet, trainer, checkpoint — is written once.

pub mod vgd;
pub mod vqa;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use tch::{Tensor, nn};

use crate::data::ImageTextData;
use crate::operations::Dropout;
use crate::{Inputs, Result};

/// The part of a network behind the last decoder block.
pub trait Head: std::fmt::Debug + Send {
    /// The pooled text, `[batch, 2 H]`, from the last encoder block's output `x` `[batch, tokens, H]`.
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;

    /// The task's output from the pooled text and the last decoder block's output `y` `[batch, regions, H]`.
    fn output(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor;
}

/// A sum over samples and their number; the metric is the quotient.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// Sum of the samples' scores, each 0 to 1.
    pub sum: f64,
    /// Number of samples.
    pub count: f64,
}

impl Score {
    /// The mean score, 0 to 1.
    pub fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }
}

/// A task on its data.
pub trait Task {
    /// The task's name in a bundle.
    const NAME: TaskName;

    /// Tensors of some samples.
    type Batch;

    /// Makes the head with its parameters under `vs`.
    fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head>;

    /// Images, features and words of the data.
    fn data(&self) -> &ImageTextData;

    /// Number of outputs of the head.
    fn outputs(&self) -> usize;

    /// The names of the outputs, where they have names: the answers of VQA.
    fn labels(&self) -> &[String];

    /// Loads the samples `indices`.
    fn batch(&self, indices: &[usize]) -> Result<Self::Batch>;

    /// The loss of the batch, a sum over its samples where the task does not say otherwise. `forward` runs the network.
    fn loss(&self, batch: &Self::Batch, forward: &mut dyn FnMut(&Inputs) -> Tensor) -> Tensor;

    /// What the loss of a batch of `samples` is to be divided by for a log: their number for a sum, 1 for a mean.
    fn loss_terms(samples: usize) -> f64 {
        samples as f64
    }

    /// The metric of the batch.
    fn score(&self, batch: &Self::Batch, forward: &mut dyn FnMut(&Inputs) -> Tensor) -> Score;
}
