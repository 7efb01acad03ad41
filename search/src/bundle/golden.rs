//! Recorded inputs and libtorch's outputs at every stage's border.
//!
//! A bundle is checked against them on any machine.

use mmnas_bundle::manifest::{Dtype, Precision, TaskName};
use mmnas_bundle::{Error as BundleError, golden};
use mmnas_export::GoldenTensor;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::model::stage_outputs::StageOutputs;
use crate::nn::tensors::tensor_bytes;
use crate::seed::seed_torch;

/// Largest number of draws of inputs.
const DRAWS: u64 = 16;
/// Number of nudges of each draw.
const NUDGES: usize = 3;

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

/// Seeded inputs of three samples with different numbers of tokens and regions.
///
/// The first is as long as the others' padding.
pub fn seeded_inputs(network: &Network, max_tokens: usize, regions: usize, seed: u64) -> Inputs {
    drawn_inputs(network, max_tokens, regions, (seed, 0))
}

fn drawn_inputs(network: &Network, max_tokens: usize, regions: usize, (seed, draw): (u64, u64)) -> Inputs {
    let d = network.dimensions();
    let (b, t, n) = (3, max_tokens.max(1) as i64, regions.max(1) as i64);
    seed_torch(seed, "golden inputs", draw);
    let float = (Kind::Float, Device::Cpu);
    let mut features = Tensor::randn([b, n, d.feature as i64], float);
    if let Some(norm) = network.feature_norm() {
        features = features * &norm.std + &norm.mean;
    }
    let corner = Tensor::rand([b, n, 2], float) * 300.0;
    let size = Tensor::rand([b, n, 2], float) * 200.0 + 4.0;
    Inputs {
        tokens: Tensor::randint_low(1, d.vocabulary.max(2) as i64, [b, t], (Kind::Int64, Device::Cpu)),
        features,
        boxes: Tensor::cat(&[&corner, &(&corner + size)], -1),
        token_count: vec![t, (t / 2).max(1), 1],
        region_count: vec![n, (n / 2).max(1), n],
    }
}

/// Whether nudges of the inputs by their last bits hardly change the outputs.
///
/// The change must stay below half of the tolerance of a bundle's graphs. The relations' logarithm
/// is steep where they are least. A head of a trained network may have no relation of a region
/// above the least one by more than a rounding. Then that rounding decides what the region attends
/// to, and no two programs agree, which says nothing of either.
fn is_steady(network: &Network, task: TaskName, inputs: &Inputs) -> bool {
    let here = network.stage_outputs(inputs);
    let moved = |_| moved(task, &here, &network.stage_outputs(&nudged(inputs)));
    (0..NUDGES).map(moved).all(|moved| moved < Precision::Fp32.tolerance() / 2.0)
}

/// Moves every number of features and boxes by one bit, up or down.
fn nudged(inputs: &Inputs) -> Inputs {
    let nudge = |x: &Tensor| x * ((x.rand_like().round() * 2.0 - 1.0) * f64::from(f32::EPSILON) + 1.0);
    Inputs {
        tokens: inputs.tokens.shallow_clone(),
        features: nudge(&inputs.features),
        boxes: nudge(&inputs.boxes),
        token_count: inputs.token_count.clone(),
        region_count: inputs.region_count.clone(),
    }
}

/// Distance of two outputs for the same text, as [`Precision::tolerance`] measures it in 32 bits.
fn moved(task: TaskName, here: &StageOutputs, there: &StageOutputs) -> f64 {
    let apart = |a: &Tensor, b: &Tensor| {
        let scale = if b.dim() > 1 { b.abs().amax([-1i64].as_slice(), true) } else { b.abs() };
        ((a - b).abs() / scale.clamp_min(1.0)).max().double_value(&[])
    };
    let of_image = here.image.iter().zip(&there.image).map(|((name, a), (_, b))| match name.as_str() {
        // A logarithm: what acts is its exponential.
        "relation_bias" => apart(&a.exp(), &b.exp()),
        _ => apart(a, b),
    });
    let of_fusion = fusion_outputs(task, here).into_iter().zip(fusion_outputs(task, there));
    of_image.chain(of_fusion.map(|((_, a), (_, b))| apart(&a, &b))).fold(0.0, f64::max)
}

/// [`record`] of the first of several seeded inputs at which rounding stays rounding.
///
/// The first draw is that of [`seeded_inputs`], which is also taken if none is steady.
///
/// # Errors
///
/// Those of [`record`].
pub fn record_stages(
    network: &Network,
    task: TaskName,
    max_tokens: usize,
    regions: usize,
    seed: u64,
) -> Result<Vec<GoldenTensor>> {
    let draw = |draw| drawn_inputs(network, max_tokens, regions, (seed, draw));
    // If none is steady, the program that runs the graphs reports it.
    let steady = (0..DRAWS).map(draw).find(|inputs| is_steady(network, task, inputs));
    record(network, task, &steady.unwrap_or_else(|| draw(0)))
}

/// The outputs of the fusion stage under the names that bundles give them.
pub fn fusion_outputs(task: TaskName, outputs: &StageOutputs) -> Vec<(&'static str, Tensor)> {
    let output = &outputs.output;
    let mut named = match task {
        TaskName::Vqa | TaskName::Itm => vec![("logits", output.shallow_clone())],
        TaskName::Vgd => vec![("scores", output.select(-1, 0)), ("deltas", output.narrow(-1, 1, 4))],
    };
    named.extend(outputs.region_attention.as_ref().map(|attention| ("region_attention", attention.shallow_clone())));
    named
}

/// Records `inputs` and libtorch's outputs at every stage's border.
///
/// The last tensors are the outputs of the head.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) for a tensor that is not f32, i64 or u8.
pub fn record(network: &Network, task: TaskName, inputs: &Inputs) -> Result<Vec<GoldenTensor>> {
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
    if let Some((_, bias)) = outputs.image.iter().find(|(name, _)| name == "relation_bias") {
        add(golden::input("relation", "boxes"), &inputs.boxes)?;
        add(golden::output("relation", "relation_bias"), bias)?;
    }
    for (name, tensor) in fusion_outputs(task, &outputs) {
        add(golden::output("fusion", name), &tensor)?;
    }
    Ok(recorded)
}
