//! Weights past 2 GiB, more than an ONNX file can hold: an embedding of 2.2 GB is exported, run and verified. A command and
//! no test, as it takes 16 GB of memory; `make check-large` runs it.

use std::path::Path;

use mmnas_bundle::manifest::{Dimensions, Form, TaskName};
use mmnas_export::ExportSettings;
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::rng;
use mmnas_tests::exported::{formula_network, random_architecture, weights_of, write};
use mmnas_tests::fixtures::{official, worst_difference};
use mmnas_tests::onnx::{OnnxNetwork, values};
use mmnas_tests::programs;
use tch::Tensor;

/// The largest difference of a logit, as of every graph in 32 bits.
const TOLERANCE: f64 = 1e-4;

fn main() {
    let place = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let bundle = place.path().join("bundle");
    let (inputs, expected) = export(&bundle);
    let data = bundle.join("text.onnx.data");
    let bytes = data.metadata().unwrap_or_else(|e| panic!("{}: {e}", data.display())).len();
    assert!(bytes > 1 << 31, "expected more than 2 GiB of weights beside the graph, found {bytes} bytes");
    let difference = worst_difference(&OnnxNetwork::load(&bundle, ".onnx", 2).run(&inputs)["logits"], &expected);
    assert!(difference <= TOLERANCE, "the logits differ by {difference}");
    // Our own runtime reads it too, in a process of its own.
    let output = programs::run("mmnas", &["verify", &bundle.display().to_string()]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    println!("{bytes} bytes of weights beside the graph; logits differ by {difference:.1e}; mmnas verify passed");
}

/// Writes the bundle; gives inputs and what libtorch makes of them. The network is gone when this returns.
fn export(bundle: &Path) -> (mmnas_tests::onnx::Values, Tensor) {
    let d = Dimensions { vocabulary: 1_800_000, embedding: 300, ..official(64, 17) };
    let architecture = random_architecture(&mut rng(13, "external", 0), false, &d);
    let network = formula_network(TaskName::Vqa, &architecture, &d);
    let inputs = seeded_inputs(&network, 14, 12, 1);
    let recorded = record(&network, TaskName::Vqa, &inputs).unwrap_or_else(|e| panic!("{e}"));
    let settings = ExportSettings { forms: vec![Form::ORT_FP32], ..ExportSettings::default() };
    write((TaskName::Vqa, &network), &architecture, &weights_of(&network), &recorded, settings, bundle);
    (values(&inputs), network.stage_outputs(&inputs).output)
}
