//! Networks as bundles: what the tests of the exporter and its benchmark share.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{AnswerScores, Dimensions, EmbeddingDimensions, Form, Provenance, TaskName};
use mmnas_bundle::{Architecture, VisionBundle, Vocabulary};
use mmnas_export::efficientnet::Level;
use mmnas_export::{
    BundleParts, ExportSettings, GoldenTensor, RegionSettings, VisionSettings, Weight, Weights, write_bundle,
};
use mmnas_search::bundle::export::derived_network;
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::bundle::vision::export_vision;
use mmnas_search::space::presets as architectures;
use mmnas_search::{Network, Space};
use rand::RngExt as _;
use tch::Tensor;

use crate::c_consumer::workspace_root;
use crate::fixtures::{official, set_formula_weights};

/// The parameters of a network.
pub fn weights_of(network: &Network) -> Weights {
    let weight = |(name, tensor): (&String, &Tensor)| {
        let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
        let data = Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name.clone(), Weight::new(&shape, data))
    };
    network.parameters().iter().map(weight).collect()
}

/// A derived network of the formula's weights.
pub fn formula_network(task: TaskName, architecture: &Architecture, dimensions: &Dimensions) -> Network {
    let network = derived_network(task, architecture, dimensions).unwrap_or_else(|e| panic!("{architecture}: {e}"));
    set_formula_weights(&network);
    network
}

/// A vision stage of a grid.
pub fn grid_vision(side: u32, grid: usize) -> VisionSettings {
    VisionSettings {
        side,
        levels: Level::RESOLUTIONS.to_vec(),
        classifier: false,
        regions: RegionSettings { grid: Some(grid), ..RegionSettings::default() },
    }
}

/// Every form, and the network in one graph.
pub fn all_forms() -> ExportSettings {
    ExportSettings { forms: Form::all().collect(), merged: true, ..ExportSettings::default() }
}

/// Writes the bundle of a network with the vocabulary of the special tokens to the new folder `out`.
pub fn write(
    network: (TaskName, &Network),
    architecture: &Architecture,
    weights: &Weights,
    golden: &[GoldenTensor],
    settings: ExportSettings,
    out: &Path,
) {
    write_parts(network, architecture, weights, golden, (settings, None), out);
}

/// As [`write`] of the network's own weights in the usual forms, with a vision stage.
pub fn write_with_vision(
    network: (TaskName, &Network),
    architecture: &Architecture,
    golden: &[GoldenTensor],
    vision: Option<&VisionBundle>,
    out: &Path,
) {
    write_parts(network, architecture, &weights_of(network.1), golden, (ExportSettings::default(), vision), out);
}

fn write_parts(
    (task, network): (TaskName, &Network),
    architecture: &Architecture,
    weights: &Weights,
    golden: &[GoldenTensor],
    (settings, vision): (ExportSettings, Option<&VisionBundle>),
    out: &Path,
) {
    let d = network.dimensions();
    let answers = if task == TaskName::Vqa { d.outputs } else { 0 };
    let labels: Vec<String> = (0..answers).map(|k| k.to_string()).collect();
    let parts = BundleParts {
        task,
        architecture,
        dimensions: d,
        weights,
        max_tokens: 14,
        tokenizer: &Vocabulary::new().to_tokenizer_json(),
        labels: &labels,
        answer_scores: AnswerScores::Sigmoid,
        vision,
        features_sha256: None,
        golden,
        metrics: Default::default(),
        provenance: Provenance::default(),
        licence: None,
        settings,
    };
    write_bundle(&parts, out, None).unwrap_or_else(|e| panic!("{architecture}: {e}"));
}

/// The bundle of a task's published architecture with the formula's weights, H 64, over a vision stage of 2 × 2 cells in
/// `folder`, which the first call writes: it takes pixels. ITM has embeddings where `joint` says how wide.
pub fn bundle_for_pixels(folder: &Path, task: TaskName, joint: Option<usize>) -> PathBuf {
    const ANSWERS: usize = 17;
    let vision = folder.join("vision");
    if !vision.exists() {
        let checkpoint = workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
        export_vision(&checkpoint, &grid_vision(64, 2), 1, &vision).unwrap_or_else(|e| panic!("{e}"));
    }
    let outputs = if task == TaskName::Vqa { ANSWERS } else { 1 };
    let d =
        Dimensions { feature: 512, embeddings: joint.map(EmbeddingDimensions::dual_encoder), ..official(64, outputs) };
    let architecture = architectures::preset(&format!("mmnas-{task}")).unwrap_or_else(|e| panic!("{e}"));
    let network = formula_network(task, &architecture, &d);
    let golden = record_stages(&network, task, 5, 4, 3).unwrap_or_else(|e| panic!("{e}"));
    let out = folder.join(format!("bundle-{task}"));
    let vision = VisionBundle::open(&vision).unwrap_or_else(|e| panic!("{e}"));
    write_with_vision((task, &network), &architecture, &golden, Some(&vision), &out);
    out
}

/// A random architecture of a space of the paper's operations, or of every published one that fits `dimensions`.
pub fn random_architecture(rng: &mut impl rand::Rng, wide: bool, dimensions: &Dimensions) -> Architecture {
    let blocks = (rng.random_range(1..4), rng.random_range(1..7));
    if !wide {
        let space = Space::published(blocks.0, blocks.1);
        let choices: Vec<usize> = space.blocks().map(|operations| rng.random_range(0..operations.len())).collect();
        return space.architecture(&choices);
    }
    let pool = mmnas_search::Pool::standard();
    let fitting = |in_encoder: bool| -> Vec<mmnas_bundle::Operation> {
        let allowed = pool.candidates().filter(|c| c.check(dimensions).is_ok() && (!in_encoder || c.in_encoder()));
        allowed.map(mmnas_search::operations::pool::Candidate::operation).collect()
    };
    let mut side = |count: usize, operations: Vec<mmnas_bundle::Operation>| {
        (0..count).map(|_| operations[rng.random_range(0..operations.len())]).collect()
    };
    Architecture { encoder: side(blocks.0, fitting(true)), decoder: side(blocks.1, fitting(false)) }
}
