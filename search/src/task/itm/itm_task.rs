//! Image-text matching as a task (MMnas, section 4.1): does this caption belong to this image.
//!
//! The network is trained by BCE on true pairs and on pairs with a negative caption or a negative
//! image. It is measured by recall@k both ways.

use mmnas_bundle::manifest::Dimensions;
use tch::{Device, Tensor, nn};

use crate::data::data_files::DataFiles;
use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::model::network::Network;
use crate::recipe::Recipe;
use crate::task::itm::batch::ItmBatch;
use crate::task::itm::data::ItmData;
use crate::task::itm::dual_encoder::{contrastive_loss, own_part, start_without_cosine};
use crate::task::itm::loss::loss;
use crate::task::itm::negatives::Negatives;
use crate::task::pooled_head::PooledHead;
use crate::task::{EpochStart, Evaluation, Forward, HeadDimensions, Task};

impl Task for ItmData {
    const NAME: &'static str = "itm";

    type Batch = ItmBatch;
    type EpochState = Negatives;

    fn load(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<ItmData> {
        ItmData::read(files, recipe, device)
    }

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(PooledHead::new(vs, d))
    }

    fn data(&self) -> &ImageTextData {
        self.common()
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        self.common_mut()
    }

    fn head_dimensions(&self) -> HeadDimensions {
        HeadDimensions { outputs: 1, embeddings: self.settings().embeddings() }
    }

    fn start(&self, train: &[usize], network: &mut Network) -> Result<()> {
        let contrastive = self.settings().contrastive;
        if contrastive.is_some_and(|settings| !settings.cosine_init) {
            start_without_cosine(network)?;
        }
        // The weights of another run bring their own logit, and how features are standardised,
        // which the closed form asks for.
        self.common().start(network)?;
        match contrastive.and_then(|settings| settings.linear) {
            Some(settings) => self.cca_init(train, settings, network),
            None => Ok(()),
        }
    }

    fn learnable(&self, parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_captions(parts)
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, indices: &[usize], negatives: &Negatives, seed: u64) -> Result<ItmBatch> {
        Ok(ItmBatch { inputs: self.triplets(indices, negatives, seed)?, also_true: self.also_true(indices) })
    }

    fn begin_epoch(&self, start: &EpochStart<'_>, negatives: &mut Negatives, forward: &mut Forward<'_>) -> Result<()> {
        *negatives = self.negatives(start, forward)?;
        Ok(())
    }

    fn loss(&self, batch: &ItmBatch, forward: &mut Forward<'_>) -> Tensor {
        let output = forward(&batch.inputs);
        let (rows, pairs) = (output.scores.size()[0], batch.also_true.size()[0]);
        let embedded = output.embeddings.as_ref().zip(self.settings().contrastive);
        let contrastive = embedded.map(|(embeddings, settings)| {
            let linear = settings.linear.map_or(0, |linear| linear.width);
            let own = |all: &Tensor| own_part(&all.narrow(0, 0, pairs), linear);
            contrastive_loss(&own(&embeddings.text), &own(&embeddings.image), &batch.also_true, settings)
        });
        let published = || {
            let parts = output.scores.chunk(3, 0);
            loss(&parts[0], &parts[1], &parts[2])
        };
        match contrastive {
            None => published(),
            Some(contrastive) if rows == pairs => contrastive,
            Some(contrastive) => published() + contrastive,
        }
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        Ok(self.evaluation(&self.rank(samples, batch, forward)?))
    }
}
