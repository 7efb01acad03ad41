//! A task, a supernet and settings for tests of single steps.

use mmnas_bundle::manifest::Dimensions;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor, nn};

use crate::data::data_files::DataFiles;
use crate::data::dataset::ImageTextData;
use crate::error::Result;
use crate::model::head::Head;
use crate::model::inputs::Inputs;
use crate::model::network::{Naming, Network};
use crate::recipe::Recipe;
use crate::recipe::adam::AdamSettings;
use crate::recipe::negatives::{HardBy, NegativeSettings};
use crate::recipe::train::TrainSettings;
use crate::space::search_space::Space;
use crate::task::vqa::batch::VqaBatch;
use crate::task::vqa::data::VqaData;
use crate::task::vqa::loss::loss;
use crate::task::{Evaluation, Forward, HeadDimensions, Reduction, Task};
use crate::train::step_position::StepPosition;
use crate::train::weight_step::StepSettings;

/// VQA without files: batches are made by the test.
#[derive(Debug)]
pub(crate) struct ToyOf<const MEAN: bool>;

/// The toy task whose loss is a sum.
pub(crate) const TOY: ToyOf<false> = ToyOf;

impl<const MEAN: bool> Task for ToyOf<MEAN> {
    const NAME: &'static str = "toy";
    const REDUCTION: Reduction = if MEAN { Reduction::Mean } else { Reduction::Sum };
    type Batch = VqaBatch;
    type EpochState = ();
    fn load(_: &DataFiles, _: &Recipe, _: Device) -> Result<ToyOf<MEAN>> {
        Ok(ToyOf)
    }
    fn head(vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn Head> {
        VqaData::head(vs, dimensions)
    }
    fn data(&self) -> &ImageTextData {
        unreachable!("a step reads no files")
    }
    fn data_mut(&mut self) -> &mut ImageTextData {
        unreachable!("a step reads no files")
    }
    fn head_dimensions(&self) -> HeadDimensions {
        HeadDimensions { outputs: 3, embeddings: None }
    }
    fn labels(&self) -> &[String] {
        &[]
    }
    fn batch(&self, _: &[usize], _: &(), _: u64) -> Result<VqaBatch> {
        let float = (Kind::Float, Device::Cpu);
        let inputs = Inputs {
            tokens: Tensor::randint(9, [4, 5], (Kind::Int64, Device::Cpu)),
            features: Tensor::randn([4, 6, 8], float),
            boxes: Tensor::from_slice(&[0f32, 0.0, 9.0, 9.0]).expand([4, 6, 4], false),
            token_count: vec![5, 3, 1, 2],
            region_count: vec![6, 6, 2, 1],
        };
        Ok(VqaBatch { inputs, target: Tensor::rand([4, 3], float) })
    }
    fn loss(&self, batch: &VqaBatch, forward: &mut Forward<'_>) -> Tensor {
        let sum = loss(&forward(&batch.inputs).scores, &batch.target);
        if MEAN { sum / batch.target.size()[0] } else { sum }
    }
    fn evaluate(&self, _: &[usize], _: usize, _: &mut Forward<'_>) -> Result<Evaluation> {
        Ok(Evaluation::default())
    }
}

pub(crate) const SETTINGS: TrainSettings = TrainSettings {
    hidden: 64,
    epochs: 1,
    batch: 4,
    clip: 1.0,
    warmup: Vec::new(),
    decay_epochs: Vec::new(),
    decay: 1.0,
    checkpoint_steps: 0,
    adam: AdamSettings { lr: 1e-2, betas: (0.9, 0.98), epsilon: 1e-9 },
    accumulate: 1,
    epoch_samples: None,
    average: None,
    patience: None,
    prefetch: 0,
    negatives: NegativeSettings { pool: 1, keep: 1, from_epoch: 0, mine_from_epoch: 0, by: HardBy::Score },
};
pub(crate) const STEP: StepSettings<'_> =
    StepSettings { train: &SETTINGS, learning_rate: 1e-2, dropout: 0.0, momentum_drift: false };
pub(crate) const START: StepPosition = StepPosition { epoch: 0, step: 0, total: 0 };

/// A supernet of one encoder and two decoder blocks.
pub(crate) fn supernet() -> Network {
    let dimensions = Dimensions {
        hidden: 64,
        feature: 8,
        embedding: 6,
        vocabulary: 9,
        outputs: 3,
        attflat: 7,
        head: 64,
        relation: 5,
        embeddings: None,
    };
    Network::new(&Space::published(1, 2), &dimensions, Naming::Supernet, Device::Cpu, ToyOf::<false>::head)
}

/// Draws numbers from −2 to 2 from a generator of the test's own.
///
/// Other tests draw from libtorch's at the same time.
pub(crate) fn drawn(rng: &mut ChaCha8Rng, shape: &[i64]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    Tensor::from_slice(&values).view(shape)
}
