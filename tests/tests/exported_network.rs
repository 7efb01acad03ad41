//! Exported bundles on ONNX Runtime agree with libtorch, and with the published code.

use mmnas_bundle::manifest::{Dimensions, Provenance, TaskName};
use mmnas_bundle::{Architecture, Vocabulary, golden};
use mmnas_export::{BundleParts, GoldenTensor, Weight, Weights, write_bundle};
use mmnas_runtime::LoadOptions;
use mmnas_search::data::VqaData;
use mmnas_search::export::{record, record_stages};
use mmnas_search::{FeatureNorm, Naming, Network, Pool, Space, rng};
use mmnas_tests::fixtures::{self, official, official_full, set_formula_weights, tensors};
use rand::RngExt as _;
use tch::{Device, Kind, Tensor};

fn weights_of(network: &Network) -> Weights {
    let weight = |(name, tensor): (&String, &Tensor)| {
        let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
        let data = Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap();
        (name.clone(), Weight::new(&shape, data))
    };
    network.parameters().iter().map(weight).collect()
}

/// Writes a bundle and returns the largest difference that verifying it finds.
fn worst_difference(network: &Network, architecture: &Architecture, weights: &Weights, golden: &[GoldenTensor]) -> f64 {
    let d: &Dimensions = network.dimensions();
    let labels: Vec<String> = (0..d.outputs).map(|k| k.to_string()).collect();
    let tokenizer = Vocabulary::new().to_tokenizer_json();
    let parts = BundleParts {
        task: TaskName::Vqa,
        architecture,
        dimensions: d,
        weights,
        max_tokens: 14,
        tokenizer: &tokenizer,
        labels: &labels,
        vision: None,
        golden,
        metrics: Default::default(),
        provenance: Provenance::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    write_bundle(&parts, &out).unwrap();
    let report = mmnas_runtime::verify(&out, &LoadOptions::default()).unwrap();
    let stages: Vec<&str> = report.checks.iter().map(|c| c.stage.as_str()).collect();
    assert_eq!(stages, ["text", "image", "fusion", "network"]);
    assert!(report.passed(), "{architecture}: {report:#?}");
    report.worst()
}

#[test]
fn random_architectures_agree_to_1e_4() {
    let mut rng = rng(11, "architectures", 0);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..24 {
        let space = Space::published(rng.random_range(1..4), rng.random_range(1..7));
        let choices: Vec<usize> = space.blocks().map(|ops| rng.random_range(0..ops.len())).collect();
        let architecture = space.architecture(&choices);
        seen.extend(architecture.decoder.iter().copied());
        let heads = rng.random_range(1..4);
        let mut network = Network::new::<VqaData>(
            &Space::single(&architecture, &Pool::standard()).unwrap(),
            &official(64 * heads, 17),
            Naming::Derived,
            Device::Cpu,
        );
        set_formula_weights(&network);
        let mut weights = weights_of(&network);
        if number % 2 == 0 {
            let float = (Kind::Float, Device::Cpu);
            let norm = FeatureNorm { mean: Tensor::randn([64], float), std: Tensor::rand([64], float) + 0.5 };
            let numbers = |t: &Tensor| Vec::<f32>::try_from(t).unwrap();
            weights.fold_feature_norm(64 * heads, &numbers(&norm.mean), &numbers(&norm.std)).unwrap();
            network.set_feature_norm(Some(norm));
        }
        let recorded = record_stages(&network, 14, 12, number).unwrap();
        let worst = worst_difference(&network, &architecture, &weights, &recorded);
        assert!(worst <= 1e-4, "{architecture}: {worst}");
    }
    assert_eq!(seen.len(), 4, "every operation of the decoder was tried: {seen:?}");
}

/// The recorded outputs of the head are replaced with the published code's logits, so that the whole way from the
/// published weights to ONNX Runtime is compared with them.
fn published_difference(folder: &str, dimensions: &Dimensions) -> f64 {
    let architecture = Architecture::read(&fixtures::path(&format!("{folder}/net_vqa.arch.json"))).unwrap();
    let space = Space::single(&architecture, &Pool::standard()).unwrap();
    let network = Network::new::<VqaData>(&space, dimensions, Naming::Derived, Device::Cpu);
    set_formula_weights(&network);
    let io = tensors(&format!("{folder}/net_vqa.io.safetensors"));
    let inputs = fixtures::inputs(&io);
    let mut recorded = record(&network, &inputs).unwrap();
    let logits = recorded.iter_mut().find(|t| t.name == golden::output("fusion", "logits")).unwrap();
    let published = Vec::<f32>::try_from(io["logits"].flatten(0, -1)).unwrap();
    assert_eq!(logits.bytes.len(), 4 * published.len());
    logits.bytes = published.iter().flat_map(|v| v.to_le_bytes()).collect();
    worst_difference(&network, &architecture, &weights_of(&network), &recorded)
}

#[test]
fn official_net_vqa_agrees_with_the_published_logits() {
    let worst = published_difference("official", &official(128, 17));
    assert!(worst <= 1e-4, "{worst}");
}

#[test]
fn official_full_net_vqa_agrees_with_the_published_logits() {
    let worst = published_difference("official_full", &official_full(3129));
    assert!(worst <= 1e-4, "{worst}");
}
