//! Visual question answering as a task (MMnas, section 4.1).

use mmnas_bundle::manifest::{AnswerScores, Dimensions};
use tch::{Device, Tensor, nn};

use crate::data::data_files::DataFiles;
use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::Head;
use crate::recipe::Recipe;
use crate::task::pooled_head::PooledHead;
use crate::task::vqa::batch::VqaBatch;
use crate::task::vqa::data::VqaData;
use crate::task::vqa::loss::{loss, softmax_loss};
use crate::task::{Evaluation, Forward, HeadDimensions, Task};

impl Task for VqaData {
    const NAME: &'static str = "vqa";

    type Batch = VqaBatch;
    type EpochState = ();

    fn load(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<VqaData> {
        VqaData::read(files, recipe, device)
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
        HeadDimensions { outputs: self.labels().len(), embeddings: None }
    }

    fn learnable(&self, parts: &RunParts<'_>, _seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_answers(parts)
    }

    fn labels(&self) -> &[String] {
        VqaData::labels(self)
    }

    fn batch(&self, indices: &[usize], _epoch_state: &(), _seed: u64) -> Result<VqaBatch> {
        VqaData::batch(self, indices)
    }

    fn loss(&self, batch: &VqaBatch, forward: &mut Forward<'_>) -> Tensor {
        let logits = forward(&batch.inputs).scores;
        match self.scores() {
            AnswerScores::Sigmoid => loss(&logits, &batch.target),
            AnswerScores::Softmax => softmax_loss(&logits, &batch.target),
        }
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        self.accuracy(samples, batch, forward)
    }
}
