//! Visual grounding as a task (MMnas, section 4.1).
//!
//! It finds which region a phrase means, and how its box is moved.

use mmnas_bundle::manifest::Dimensions;
use tch::{Device, Tensor, nn};

use crate::data::data_files::DataFiles;
use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::model::network::Network;
use crate::recipe::Recipe;
use crate::task::vgd::batch::VgdBatch;
use crate::task::vgd::data::VgdData;
use crate::task::vgd::head::VgdHead;
use crate::task::vgd::loss::{log_probabilities, loss};
use crate::task::{Evaluation, Forward, HeadDimensions, Reduction, Task};

impl Task for VgdData {
    const NAME: &'static str = "vgd";
    const REDUCTION: Reduction = Reduction::Mean;

    type Batch = VgdBatch;
    type EpochState = ();

    fn load(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<VgdData> {
        VgdData::read(files, recipe, device)
    }

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(VgdHead::new(vs, d))
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
        // First, as the weights of another run bring how features are standardised; and last, as
        // they have learnt from theirs.
        self.common().start(network)?;
        self.cca_init(train, network)?;
        self.common().start(network)
    }

    fn learnable(&self, parts: &RunParts<'_>, seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_boxes(parts, seen)
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, indices: &[usize], _epoch_state: &(), _seed: u64) -> Result<VgdBatch> {
        VgdData::batch(self, indices)
    }

    fn loss(&self, batch: &VgdBatch, forward: &mut Forward<'_>) -> Tensor {
        let scores = forward(&batch.inputs).scores;
        let log_probabilities = log_probabilities(&scores, &batch.inputs.region_count, self.padding());
        loss(&log_probabilities, &scores.narrow(-1, 1, 4), &batch.scores, &batch.mask, &batch.deltas)
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        self.accuracy(samples, batch, forward)
    }
}
