//! VQA without files: batches of random numbers, of any sizes.

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::data::dataset::ImageTextData;
use mmnas_search::model::head::Head;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::vqa::batch::VqaBatch;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::task::vqa::loss::loss;
use mmnas_search::task::{Evaluation, Forward, HeadDimensions, Task};
use mmnas_search::{Inputs, Result};
use tch::{Device, Kind, Tensor, nn};

/// A task whose batches are made by its caller.
#[derive(Debug)]
pub struct SyntheticTask;

impl Task for SyntheticTask {
    const NAME: &'static str = "synthetic";

    type Batch = VqaBatch;
    type EpochState = ();

    fn load(_: &DataFiles, _: &Recipe, _: Device) -> Result<SyntheticTask> {
        Ok(SyntheticTask)
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
        unreachable!("a step is given its network")
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, _: &[usize], _: &(), _: u64) -> Result<VqaBatch> {
        unreachable!("a step is given its batch")
    }

    fn loss(&self, batch: &VqaBatch, forward: &mut Forward<'_>) -> Tensor {
        loss(&forward(&batch.inputs).scores, &batch.target)
    }

    fn evaluate(&self, _: &[usize], _: usize, _: &mut Forward<'_>) -> Result<Evaluation> {
        Ok(Evaluation::default())
    }
}

/// A batch whose samples have `counts` (regions, tokens), one pair each, padded to the longest of them.
pub fn batch(dimensions: &Dimensions, counts: &[(i64, i64)], device: Device) -> VqaBatch {
    let float = (Kind::Float, Device::Cpu);
    let samples = counts.len() as i64;
    let longest = |of: fn(&(i64, i64)) -> i64| counts.iter().map(of).max().unwrap_or(1);
    let (regions, tokens) = (longest(|c| c.0), longest(|c| c.1));
    let corners = Tensor::rand([samples, regions, 2], float) * 300.0;
    let sizes: Tensor = Tensor::rand([samples, regions, 2], float) * 200.0 + 10.0;
    let boxes = Tensor::cat(&[&corners, &(&corners + sizes)], -1);
    let there = |counts: Vec<i64>, n: i64| {
        let counts = Tensor::from_slice(&counts).unsqueeze(1);
        Tensor::arange(n, (Kind::Int64, Device::Cpu)).unsqueeze(0).lt_tensor(&counts)
    };
    let region_count: Vec<i64> = counts.iter().map(|c| c.0).collect();
    let token_count: Vec<i64> = counts.iter().map(|c| c.1).collect();
    let region = there(region_count.clone(), regions).unsqueeze(-1);
    let token = there(token_count.clone(), tokens);
    let words = Tensor::randint_low(1, dimensions.vocabulary as i64, [samples, tokens], (Kind::Int64, Device::Cpu));
    let inputs = Inputs {
        tokens: (words * token).to_device(device),
        features: (Tensor::randn([samples, regions, dimensions.feature as i64], float) * &region).to_device(device),
        boxes: (boxes * region).to_device(device),
        token_count,
        region_count,
    };
    let target = Tensor::rand([samples, dimensions.outputs as i64], float).to_device(device);
    VqaBatch { inputs, target }
}

/// The same batch with padding up to `regions` and `tokens`; the counts stay.
pub fn padded(batch: &VqaBatch, regions: i64, tokens: i64) -> VqaBatch {
    let inputs = &batch.inputs;
    let wider = |tensor: &Tensor, to: i64| tensor.constant_pad_nd([0, 0, 0, to - tensor.size()[1]]);
    VqaBatch {
        inputs: Inputs {
            tokens: inputs.tokens.constant_pad_nd([0, tokens - inputs.tokens.size()[1]]),
            features: wider(&inputs.features, regions),
            boxes: wider(&inputs.boxes, regions),
            token_count: inputs.token_count.clone(),
            region_count: inputs.region_count.clone(),
        },
        target: batch.target.shallow_clone(),
    }
}
