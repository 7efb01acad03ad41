//! Visual question answering: BCE with logits on soft targets over the answers, accuracy of the best one.

use mmnas_bundle::manifest::{Dimensions, TaskName};
use tch::{Kind, Reduction, Tensor, nn};

use super::{Head, Score, Task};
use crate::att_flat::AttFlat;
use crate::data::{ImageTextData, VqaData};
use crate::layers::{LayerNorm, Linear};
use crate::operations::Dropout;
use crate::{Inputs, Result};

/// The published head: `Linear(LN(AttFlat(x) + AttFlat(y)))` → logits of the answers.
#[derive(Debug)]
pub struct VqaHead {
    text: AttFlat,
    regions: AttFlat,
    norm: LayerNorm,
    projection: Linear,
}

impl Head for VqaHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.text.forward(x, mask, dropout)
    }

    fn output(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        let pooled = text + self.regions.forward(y, mask, dropout);
        self.projection.forward(&self.norm.forward(&pooled))
    }
}

/// Samples of one batch.
#[derive(Debug)]
pub struct VqaBatch {
    /// What the network reads.
    pub inputs: Inputs,
    /// Soft targets, `[batch, answers]`, 0 to 1.
    pub target: Tensor,
}

impl Task for VqaData {
    const NAME: TaskName = TaskName::Vqa;

    type Batch = VqaBatch;

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(VqaHead {
            text: AttFlat::new(vs / "attflat_x", d),
            regions: AttFlat::new(vs / "attflat_y", d),
            norm: LayerNorm::new(vs / "proj_norm", 2 * d.hidden),
            projection: Linear::new(vs / "proj", 2 * d.hidden, d.outputs, true),
        })
    }

    fn data(&self) -> &ImageTextData {
        self.common()
    }

    fn outputs(&self) -> usize {
        self.labels().len()
    }

    fn labels(&self) -> &[String] {
        VqaData::labels(self)
    }

    fn batch(&self, indices: &[usize]) -> Result<VqaBatch> {
        VqaData::batch(self, indices)
    }

    fn loss(&self, batch: &VqaBatch, forward: &mut dyn FnMut(&Inputs) -> Tensor) -> Tensor {
        loss(&forward(&batch.inputs), &batch.target)
    }

    fn score(&self, batch: &VqaBatch, forward: &mut dyn FnMut(&Inputs) -> Tensor) -> Score {
        let best = forward(&batch.inputs).argmax(-1, true);
        let sum = batch.target.gather(1, &best, false).sum(Kind::Double).double_value(&[]);
        Score { sum, count: batch.target.size()[0] as f64 }
    }
}

/// Binary cross-entropy of `logits` `[batch, answers]` with soft targets, summed over answers and batch (published).
pub fn loss(logits: &Tensor, target: &Tensor) -> Tensor {
    logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Sum)
}
