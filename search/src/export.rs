//! From a trained run to a bundle: weights, recorded inputs and outputs, everything else that the bundle holds.

use std::path::Path;

use mmnas_bundle::manifest::Dtype;
use mmnas_bundle::{Error as BundleError, VisionBundle, golden};
use mmnas_export::{BundleParts, GoldenTensor, Weights, write_bundle};
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{copy_into, load_tensors, tensor_bytes};
use crate::data::VqaData;
use crate::retrain::{FEATURE_MEAN, FEATURE_STD, LABELS, NETWORK, RECORD, TOKENIZER};
use crate::seed::seed_torch;
use crate::{FeatureNorm, Inputs, Naming, Network, NetworkRecord, Pool, Result, Space};

/// A tensor as a bundle records it.
pub(crate) fn golden_tensor(name: String, tensor: &Tensor) -> Result<GoldenTensor> {
    let kinds = [(Kind::Float, Dtype::F32), (Kind::Int64, Dtype::I64), (Kind::Uint8, Dtype::U8)];
    let dtype = kinds.iter().find(|(kind, _)| *kind == tensor.kind()).map(|(_, dtype)| *dtype);
    let dtype = dtype.ok_or_else(|| {
        BundleError::invalid("golden.safetensors", &name, "f32, i64 or u8", format!("{:?}", tensor.kind()))
    })?;
    let shape = tensor.size().iter().map(|&n| n as usize).collect();
    Ok(GoldenTensor { name, dtype, shape, bytes: tensor_bytes(tensor) })
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T> {
    let text = std::fs::read_to_string(file).map_err(BundleError::io(file, "read"))?;
    Ok(serde_json::from_str(&text).map_err(|e| BundleError::json(file, &e))?)
}

/// Writes the bundle of the retrained network in the folder `run` to the new folder `out`. `vision` must be the stage
/// whose features the network was trained on.
pub fn export(run: &Path, vision: Option<&VisionBundle>, out: &Path) -> Result<()> {
    let record: NetworkRecord = read_json(&run.join(RECORD))?;
    let task = serde_json::from_value(record.task.clone().into()).map_err(|_| {
        BundleError::invalid(run.join(RECORD), "task", "a task that a bundle can be of: vqa, itm, vgd", &record.task)
    })?;
    let labels: Vec<String> = read_json(&run.join(LABELS))?;
    let tokenizer_file = run.join(TOKENIZER);
    let tokenizer = std::fs::read_to_string(&tokenizer_file).map_err(BundleError::io(&tokenizer_file, "read"))?;
    if let Some(vision) = vision {
        let found = vision.graph_sha256()?;
        if found != record.vision_sha256 {
            return Err(
                mmnas_export::Error::OtherVision { expected: record.vision_sha256, found: found.to_owned() }.into()
            );
        }
    }
    let file = run.join(NETWORK);
    let (tensors, _) = load_tensors(&file)?;
    let d = &record.dimensions;
    let space = Space::single(&record.architecture, &Pool::standard())?;
    space.check(d)?;
    let mut network = Network::new::<VqaData>(&space, d, Naming::Derived, Device::Cpu);
    copy_into(network.parameters(), &tensors, "", &file)?;
    let mut weights = Weights::read_safetensors(&file)?;
    if let (Some(mean), Some(std)) = (weights.remove(FEATURE_MEAN), weights.remove(FEATURE_STD)) {
        weights.fold_feature_norm(d.hidden, &mean.data, &std.data)?;
        let tensor = |name: &str| tensors[name].shallow_clone();
        network.set_feature_norm(Some(FeatureNorm { mean: tensor(FEATURE_MEAN), std: tensor(FEATURE_STD) }));
    }
    let regions = vision.map_or(36, |v| v.vision().regions.count());
    let recorded = record_stages(&network, record.max_tokens, regions, record.provenance.seed)?;
    let parts = BundleParts {
        task,
        architecture: &record.architecture,
        dimensions: d,
        weights: &weights,
        max_tokens: record.max_tokens,
        tokenizer: &tokenizer,
        labels: &labels,
        vision,
        golden: &recorded,
        metrics: [("validation_accuracy".to_owned(), record.validation)].into(),
        provenance: record.provenance.clone(),
    };
    Ok(write_bundle(&parts, out)?)
}

/// Seeded inputs of three samples with different numbers of tokens and regions, and what libtorch gives for them at every
/// stage's border.
pub fn record_stages(network: &Network, max_tokens: usize, regions: usize, seed: u64) -> Result<Vec<GoldenTensor>> {
    let d = network.dimensions();
    let (b, t, n) = (3, max_tokens.max(1) as i64, regions.max(1) as i64);
    seed_torch(seed, "golden inputs", 0);
    let float = (Kind::Float, Device::Cpu);
    let mut features = Tensor::randn([b, n, d.feature as i64], float);
    if let Some(norm) = network.feature_norm() {
        features = features * &norm.std + &norm.mean;
    }
    let corner = Tensor::rand([b, n, 2], float) * 300.0;
    let size = Tensor::rand([b, n, 2], float) * 200.0 + 4.0;
    let inputs = Inputs {
        tokens: Tensor::randint_low(1, d.vocabulary.max(2) as i64, [b, t], (Kind::Int64, Device::Cpu)),
        features,
        boxes: Tensor::cat(&[&corner, &(&corner + size)], -1),
        token_count: vec![t, (t / 2).max(1), 1],
        region_count: vec![n, (n / 2).max(1), n],
    };
    record(network, &inputs)
}

/// `inputs` and what libtorch gives for them at every stage's border; the last tensor is the output of the head.
pub fn record(network: &Network, inputs: &Inputs) -> Result<Vec<GoldenTensor>> {
    let outputs = network.stage_outputs(inputs);
    let (token_count, region_count) =
        (Tensor::from_slice(&inputs.token_count), Tensor::from_slice(&inputs.region_count));
    let mut recorded = Vec::new();
    let mut add = |name: String, tensor: &Tensor| golden_tensor(name, tensor).map(|t| recorded.push(t));
    add(golden::input("text", "tokens"), &inputs.tokens)?;
    add(golden::input("text", "token_count"), &token_count)?;
    add(golden::input("image", "features"), &inputs.features)?;
    add(golden::input("image", "boxes"), &inputs.boxes)?;
    add(golden::input("image", "region_count"), &region_count)?;
    add(golden::input("fusion", "token_count"), &token_count)?;
    add(golden::input("fusion", "region_count"), &region_count)?;
    for (stage, tensors) in [("text", &outputs.text), ("image", &outputs.image)] {
        for (name, tensor) in tensors {
            add(golden::output(stage, name), tensor)?;
            add(golden::input("fusion", name), tensor)?;
        }
    }
    add(golden::output("fusion", "logits"), &outputs.output)?;
    Ok(recorded)
}
