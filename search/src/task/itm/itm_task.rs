//! Image-text matching: does this caption belong to this image? BCE on true pairs and on pairs with a negative caption
//! or a negative image, recall@k both ways (MMnas, section 4.1).

use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Reduction, Tensor, nn};

use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::task::itm::data::ItmData;
use crate::task::itm::dual_encoder::{contrastive_loss, leave_logit, own_part};
use crate::task::itm::negatives::Negatives;
use crate::task::pooled_head::PooledHead;
use crate::task::{EpochStart, Evaluation, Forward, Task};

/// Samples of one batch.
#[derive(Debug)]
pub struct ItmBatch {
    /// Three pairs a sample: first all true ones, then all with a negative caption, then all with a negative image,
    /// `[3 batch, …]`; in an epoch without negatives the true ones alone, `[batch, …]`.
    pub inputs: Inputs,
    /// Whether a true pair's caption is true of another true pair's image, `[batch, batch]`.
    pub also_true: Tensor,
}

impl Task for ItmData {
    const NAME: &'static str = "itm";

    type Batch = ItmBatch;
    type EpochState = Negatives;

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(PooledHead::new(vs, d))
    }

    fn data(&self) -> &ImageTextData {
        self.common()
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        self.common_mut()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn joint(&self) -> Option<usize> {
        self.contrastive().map(|settings| settings.width + settings.linear.map_or(0, |linear| linear.width))
    }

    fn joint_features(&self) -> bool {
        self.contrastive().is_some_and(|settings| settings.features)
    }

    fn joint_linear(&self) -> Option<usize> {
        self.contrastive()?.linear.map(|linear| linear.width)
    }

    fn start(&self, train: &[usize], network: &mut Network, progress: bool) -> Result<()> {
        self.check()?;
        if self.contrastive().is_some_and(|settings| settings.head_alone) {
            leave_logit(network)?;
        }
        // The weights of another run bring their own logit, and how features are standardised, which the closed form asks for.
        self.common().start(network)?;
        match self.contrastive().and_then(|settings| settings.linear) {
            Some(settings) => self.start_linear(train, settings, network, progress),
            None => Ok(()),
        }
    }

    fn learnable(&self, parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_captions(parts)
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, indices: &[usize], epoch_state: &Negatives, seed: u64) -> Result<ItmBatch> {
        let inputs = self.common().hide(self.triplets(indices, epoch_state, seed)?, seed);
        Ok(ItmBatch { inputs, also_true: self.also_true(indices) })
    }

    fn begin_epoch(
        &self,
        start: &EpochStart<'_>,
        epoch_state: &mut Negatives,
        forward: &mut Forward<'_>,
    ) -> Result<()> {
        *epoch_state = self.negatives(start, forward)?;
        Ok(())
    }

    fn loss(&self, batch: &ItmBatch, forward: &mut Forward<'_>) -> Tensor {
        let output = forward(&batch.inputs);
        let (rows, pairs) = (output.size()[0], batch.also_true.size()[0]);
        let joint = (output.size()[1] - 1) / 2;
        let contrastive = self.contrastive().filter(|_| joint > 0).map(|settings| {
            let embeddings = output.narrow(0, 0, pairs).narrow(-1, 1, 2 * joint).chunk(2, -1);
            let linear = settings.linear.map_or(0, |linear| linear.width);
            let (texts, images) = (own_part(&embeddings[0], linear), own_part(&embeddings[1], linear));
            contrastive_loss((&texts, &images), &batch.also_true, settings)
        });
        let published = || {
            let parts = output.narrow(-1, 0, 1).chunk(3, 0);
            loss(&parts[0], &parts[1], &parts[2])
        };
        match contrastive {
            None => published(),
            Some(contrastive) if rows == pairs => contrastive,
            Some(contrastive) => published() + contrastive,
        }
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        Ok(self.evaluation(&self.score_pairs_to_rank(samples, batch, forward)?))
    }

    fn evaluate_by_cosine(
        &self,
        samples: &[usize],
        batch: usize,
        logit: (f64, f64),
        forward: &mut Forward<'_>,
    ) -> Result<Evaluation> {
        match self.rank_by_cosine(samples, batch, logit, forward)? {
            Some(ranked) => Ok(self.evaluation(&ranked)),
            None => self.evaluate(samples, batch, forward),
        }
    }
}

/// `2 · positive + negative caption + negative image`, each the binary cross-entropy of the pairs' logits with 1 or 0,
/// summed over the batch (published: of their sigmoids, which is the same).
pub fn loss(positive: &Tensor, negative_caption: &Tensor, negative_image: &Tensor) -> Tensor {
    let entropy = |logits: &Tensor, target: f64| {
        let target = logits.full_like(target);
        logits.binary_cross_entropy_with_logits::<Tensor>(&target, None, None, Reduction::Sum)
    };
    entropy(positive, 1.0) * 2.0 + entropy(negative_caption, 0.0) + entropy(negative_image, 0.0)
}

/// The published score of a pair, 0 to 1, from its logit.
pub fn score(logits: &Tensor) -> Tensor {
    logits.to_kind(Kind::Float).sigmoid()
}
