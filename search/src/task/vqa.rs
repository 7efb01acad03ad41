//! Visual question answering: BCE with logits on soft targets over the answers, accuracy of the best one.

use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Reduction, Tensor, nn};

use super::pooled_head::PooledHead;
use super::{Evaluation, Forward, Head, Task};
use crate::data::{ImageTextData, VqaData};
use crate::{Inputs, Result};

/// Samples of one batch.
#[derive(Debug)]
pub struct VqaBatch {
    /// What the network reads.
    pub inputs: Inputs,
    /// Soft targets, `[batch, answers]`, 0 to 1.
    pub target: Tensor,
}

impl Task for VqaData {
    const NAME: &'static str = "vqa";

    type Batch = VqaBatch;
    type Memory = ();

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(PooledHead::new(vs, d))
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

    fn batch(&self, indices: &[usize], _memory: &(), _seed: u64) -> Result<VqaBatch> {
        VqaData::batch(self, indices)
    }

    fn loss(&self, batch: &VqaBatch, forward: &mut Forward<'_>) -> Tensor {
        loss(&forward(&batch.inputs), &batch.target)
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        let mut sum = 0.0;
        for indices in samples.chunks(batch) {
            let batch = VqaData::batch(self, indices)?;
            let best = forward(&batch.inputs).argmax(-1, true);
            sum += batch.target.gather(1, &best, false).sum(Kind::Double).double_value(&[]);
        }
        let score = sum / samples.len().max(1) as f64;
        Ok(Evaluation { score, metrics: [("accuracy".to_owned(), score)].into() })
    }
}

/// Binary cross-entropy of `logits` `[batch, answers]` with soft targets, summed over answers and batch (published).
pub fn loss(logits: &Tensor, target: &Tensor) -> Tensor {
    logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Sum)
}
