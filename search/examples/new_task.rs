//! A task of one's own in one file: counting.
//!
//! A text and an image go in, a number comes out. The search, the training, the checkpoints and the
//! report know nothing of it.
//!
//! `cargo run --release -p mmnas-search --example new_task` trains it on synthetic data.

use mmnas_search::Pool;
use std::path::Path;

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::samples::Sample;
use mmnas_bundle::{Architecture, FeatureWriter, RegionFeatures};
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::data::dataset::{ImageTextData, Loaded};
use mmnas_search::model::head::Head;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::{Evaluation, Forward, HeadDimensions, Task};
use mmnas_search::train::retrain;
use mmnas_search::{Inputs, Result, RunFolder};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor, nn};

/// A line of the file of samples.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CountSample {
    image: String,
    text: String,
    count: u8,
}

impl Sample for CountSample {
    fn image(&self) -> &str {
        &self.image
    }

    fn image_mut(&mut self) -> &mut String {
        &mut self.image
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.text]
    }
}

/// The data set: how samples become tensors.
#[derive(Debug)]
pub(crate) struct CountData {
    common: ImageTextData,
    tokens: Vec<Vec<i64>>,
    counts: Vec<f32>,
}

/// The head: a sum over regions of how much each counts.
///
/// The text and the region say how much.
#[derive(Debug)]
struct CountHead {
    text: nn::Linear,
    region: nn::Linear,
    amount: nn::Linear,
}

impl Head for CountHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, _dropout: Dropout) -> Tensor {
        let x = mask.map_or_else(|| x.shallow_clone(), |mask| x.masked_fill(&mask.view([x.size()[0], -1, 1]), 0.0));
        x.sum_dim_intlist(1, false, Kind::Float).apply(&self.text)
    }

    fn scores(&self, text: &Tensor, y: &Tensor, mask: Option<&Tensor>, _dropout: Dropout) -> Tensor {
        let amounts = (text.unsqueeze(1) + y.apply(&self.region)).relu().apply(&self.amount).sigmoid();
        let amounts = match mask {
            Some(mask) => amounts.masked_fill(&mask.view([y.size()[0], -1, 1]), 0.0),
            None => amounts,
        };
        amounts.sum_dim_intlist(1, false, Kind::Float)
    }
}

/// Tensors of some samples.
#[derive(Debug)]
pub(crate) struct CountBatch {
    inputs: Inputs,
    counts: Tensor,
}

impl CountData {
    fn load_batch(&self, indices: &[usize]) -> Result<CountBatch> {
        let tokens: Vec<&[i64]> = indices.iter().map(|&k| self.tokens[k].as_slice()).collect();
        let counts: Vec<f32> = indices.iter().map(|&k| self.counts[k]).collect();
        let counts = Tensor::from_slice(&counts).unsqueeze(1).to_device(self.common.device());
        Ok(CountBatch { inputs: self.common.inputs(indices, &tokens)?.0, counts })
    }
}

impl Task for CountData {
    const NAME: &'static str = "count";

    type Batch = CountBatch;
    type EpochState = ();

    fn load(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<CountData> {
        let Loaded { common, samples, tokens } = ImageTextData::load::<CountSample>(files, recipe, device)?;
        Ok(CountData { common, tokens, counts: samples.iter().map(|sample| f32::from(sample.count)).collect() })
    }

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        let hidden = d.hidden as i64;
        Box::new(CountHead {
            text: nn::linear(vs / "count_text", hidden, hidden, Default::default()),
            region: nn::linear(vs / "count_region", hidden, hidden, Default::default()),
            amount: nn::linear(vs / "count_amount", hidden, 1, Default::default()),
        })
    }

    fn data(&self) -> &ImageTextData {
        &self.common
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        &mut self.common
    }

    fn head_dimensions(&self) -> HeadDimensions {
        HeadDimensions { outputs: 1, embeddings: None }
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, indices: &[usize], _epoch_state: &(), _seed: u64) -> Result<CountBatch> {
        self.load_batch(indices)
    }

    fn loss(&self, batch: &CountBatch, forward: &mut Forward<'_>) -> Tensor {
        forward(&batch.inputs).scores.smooth_l1_loss(&batch.counts, Reduction::Sum, 1.0)
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        let mut right = 0.0;
        for indices in samples.chunks(batch) {
            let batch = self.load_batch(indices)?;
            let near = (forward(&batch.inputs).scores - &batch.counts).abs().lt(0.5);
            right += near.sum(Kind::Double).double_value(&[]);
        }
        let score = right / samples.len().max(1) as f64;
        Ok(Evaluation { score, metrics: [("exact counts".to_owned(), score)].into(), ..Evaluation::default() })
    }
}

const KINDS: [&str; 4] = ["dog", "cat", "car", "tree"];

/// Writes images of up to six regions, each of one kind.
///
/// For each kind there is the question how many there are.
fn write_data(folder: &Path) -> Result<DataFiles> {
    let mut rng = mmnas_search::rng(3, "counting", 0);
    let (mut images, mut samples) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let image = format!("{number}.png");
        let kinds: Vec<usize> = (0..1 + number % 6).map(|_| rand::RngExt::random_range(&mut rng, 0..4)).collect();
        let features = kinds.iter().flat_map(|&kind| (0..4).map(move |k| f32::from(u8::from(k == kind)))).collect();
        let boxes = (0..kinds.len()).map(|k| [10.0 * k as f32, 0.0, 10.0 * k as f32 + 8.0, 8.0]).collect();
        images.push((image.clone(), RegionFeatures { features, boxes, size: (64, 64) }));
        for (kind, name) in KINDS.iter().enumerate() {
            let count = kinds.iter().filter(|&&k| k == kind).count() as u8;
            samples.push(CountSample { image: image.clone(), text: format!("how many of {name}?"), count });
        }
    }
    let (features, file) = (folder.join("features"), folder.join("counts.jsonl"));
    std::fs::create_dir_all(&features).map_err(mmnas_bundle::Error::io(&features, "create"))?;
    let mut writer = FeatureWriter::new(&features, 4, "synthetic".to_owned());
    writer.write_shard(images)?;
    writer.finish()?;
    let lines = mmnas_bundle::samples::to_json_lines(&samples).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
    mmnas_bundle::write_atomically(&file, lines.as_bytes())?;
    Ok(DataFiles::new(file, features))
}

/// Trains a small network on synthetic data in `folder`.
///
/// It returns the share of exact counts on images that it has not seen.
pub(crate) fn train(folder: &Path) -> Result<f64> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/easy_vqa/easy_vqa.toml");
    let set = ["hidden=64", "epochs=12", "batch=16", "decay_epochs=[9]", "adam.lr=1e-3"];
    let recipe = Recipe::read(&recipe, &set.map(|value| format!("retrain.{value}")))?;
    let task = CountData::load(&write_data(folder)?, &recipe, Device::Cpu)?;
    let json = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"], ["feed_forward"]]}}"#;
    let architecture = Architecture::from_published_json(json, Path::new("example"))?;
    let inputs = task.data().run_inputs(CountData::NAME, Some(&architecture));
    let run = RunFolder::open(&folder.join("run"), &recipe, &inputs, false)?;
    Ok(retrain::retrain(&recipe, &Pool::standard(), &architecture, &task, &run)?.validation)
}

#[allow(dead_code)] // the test that runs this example has its own main
fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("mmnas-count-{}", std::process::id()));
    let score = train(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    println!("exact counts: {:.1} %", 100.0 * score?);
    Ok(())
}
