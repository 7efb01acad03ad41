//! Inputs and outputs of the published code, run unchanged with weights that are a formula of the parameter's name.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::{Inputs, Network, TensorMap, load_tensors};
use tch::{Kind, Tensor};

/// A file under `tests/fixtures`, or under the folder that `MMNAS_FIXTURES` names, for programs that run on another machine
/// than they were built on.
pub fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("MMNAS_FIXTURES").map(PathBuf::from);
    folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).join(name)
}

/// The tensors of a fixture.
pub fn tensors(name: &str) -> TensorMap {
    load_tensors(&path(name)).unwrap_or_else(|e| panic!("{e}")).0
}

/// A JSON fixture.
pub fn json(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The formula's values of the parameter `name`, row-major: `gain · (2 u_i − 1)`, plus 1 where the name ends in `a_2`, and for `embed_factor`.
pub fn formula(name: &str, shape: &[i64]) -> Vec<f32> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let last = *shape.last().unwrap_or(&1) as f64;
    let gain = match shape.len() {
        1 => 0.125,
        _ if name == "embedding.weight" => 1.0,
        _ => (-last.sqrt().log2().round_ties_even()).exp2(),
    };
    // The factor is an addition of ours: near 0 the linear part would not count.
    let offset = if name.ends_with("a_2") || name == "embed_factor" { 1.0 } else { 0.0 };
    let count = shape.iter().product::<i64>() as u64;
    let unit = |i: u64| (splitmix64(hash.wrapping_add(i)) >> 40) as f64 / f64::from(1u32 << 24);
    (0..count).map(|i| (gain * (2.0 * unit(i) - 1.0) + offset) as f32).collect()
}

/// Gives every parameter of the network the formula's values.
pub fn set_formula_weights(network: &Network) {
    let _guard = tch::no_grad_guard();
    for (name, parameter) in network.parameters() {
        let shape = parameter.size();
        parameter.shallow_clone().copy_(&Tensor::from_slice(&formula(name, &shape)).view(shape.as_slice()));
    }
}

/// Sizes of the `official` fixtures (H 128) of a task with the given number of outputs.
pub fn official(hidden: usize, outputs: usize) -> Dimensions {
    Dimensions {
        hidden,
        feature: 64,
        embedding: 48,
        vocabulary: 60,
        outputs,
        attflat: 96,
        head: 64,
        relation: 64,
        embeddings: None,
    }
}

/// Sizes of the `official_full` fixtures.
pub fn official_full(outputs: usize) -> Dimensions {
    Dimensions {
        hidden: 512,
        feature: 2048,
        embedding: 300,
        vocabulary: 20_000,
        outputs,
        attflat: 512,
        head: 64,
        relation: 64,
        embeddings: None,
    }
}

/// The network's inputs in a fixture.
pub fn inputs(tensors: &TensorMap) -> Inputs {
    let counts = |name: &str| Vec::<i64>::try_from(&tensors[name]).unwrap_or_else(|e| panic!("{name}: {e}"));
    Inputs {
        tokens: tensors["tokens"].shallow_clone(),
        features: tensors["features"].shallow_clone(),
        boxes: tensors["boxes"].shallow_clone(),
        token_count: counts("token_count"),
        region_count: counts("region_count"),
    }
}

/// The largest absolute difference of two tensors of one shape.
pub fn worst_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let difference = (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs();
    assert!(bool::try_from(difference.isfinite().all()).unwrap_or(false), "not finite");
    difference.max().double_value(&[])
}

/// `‖a − b‖ / ‖b‖`.
pub fn relative_norm(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    let (difference, norm) = ((a - &b).norm().double_value(&[]), b.norm().double_value(&[]));
    assert!(difference.is_finite() && norm.is_finite(), "not finite");
    if norm == 0.0 { difference } else { difference / norm }
}
