//! Exported bundles on ONNX Runtime agree with libtorch: random architectures of all three tasks, in every form.

use std::collections::{BTreeMap, BTreeSet};

use mmnas_bundle::Operation;
use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions, TaskName};
use mmnas_runtime::{LoadOptions, Timed};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::{FeatureNorm, rng};
use mmnas_tests::exported::{all_forms, formula_network, random_architecture, weights_of, write};
use mmnas_tests::fixtures::official;
use rand::RngExt as _;
use tch::{Device, Kind, Tensor};

const TASKS: [TaskName; 3] = [TaskName::Vqa, TaskName::Itm, TaskName::Vgd];
const ARCHITECTURES: u64 = 200;

/// One network: its bundle is verified, every form and the merged graphs. Gives the operations of its decoder and the
/// largest difference of each precision.
fn verify_one(number: u64) -> (BTreeSet<Operation>, BTreeMap<&'static str, f64>) {
    let mut rng = rng(11, "architectures", number);
    let task = TASKS[number as usize % 3];
    // Two in three are of the paper's space; the rest of all published operations.
    let wide = number % 9 >= 6;
    let heads = rng.random_range(1..4);
    let linear = Some(40).filter(|_| number % 5 < 3);
    let embeddings = match task {
        TaskName::Vqa => None,
        TaskName::Itm => Some(EmbeddingDimensions::DualEncoder { width: 80, features: number % 4 < 2, linear }),
        TaskName::Vgd => linear.map(|width| EmbeddingDimensions::Regions { width }),
    };
    let outputs = if task == TaskName::Vqa { 17 } else { 1 };
    let d = Dimensions { embeddings, ..official(64 * heads, outputs) };
    let architecture = random_architecture(&mut rng, wide, &d);
    let mut network = formula_network(task, &architecture, &d);
    let mut weights = weights_of(&network);
    if number.is_multiple_of(2) {
        let float = (Kind::Float, Device::Cpu);
        let norm = FeatureNorm { mean: Tensor::randn([64], float), std: Tensor::rand([64], float) + 0.5 };
        let numbers = |t: &Tensor| Vec::<f32>::try_from(t).unwrap();
        weights.fold_feature_norm(&numbers(&norm.mean), &numbers(&norm.std)).unwrap();
        network.set_feature_norm(Some(norm));
    }
    let recorded = record_stages(&network, task, 14, 12, number).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    write((task, &network), &architecture, &weights, &recorded, all_forms(), &out);
    let report = mmnas_runtime::verify(&out, &LoadOptions::default(), Timed::No).unwrap();
    // Four checks a form, the merged graph in three precisions, and the relations where the image state has such.
    let relations = report.checks.iter().filter(|check| check.stage == "relation").count();
    assert_eq!(report.checks.len(), 6 * 4 + 3 + relations, "{architecture}");
    let late = &architecture.decoder[architecture.image_blocks()..];
    let has = late.iter().any(|operation| operation.to_string().starts_with("rel_"));
    assert_eq!(relations, usize::from(has), "{architecture}");
    let failed: Vec<String> =
        report.checks.iter().filter(|c| !c.passed).map(|c| format!("{} {} {:.2e}", c.stage, c.form, c.worst)).collect();
    assert!(failed.is_empty(), "{number} {task} {architecture}: {failed:?} {:?}", report.check());
    let mut worst = BTreeMap::new();
    for check in &report.checks {
        let of_precision: &mut f64 = worst.entry(check.form.precision.name()).or_default();
        *of_precision = of_precision.max(check.worst);
    }
    (architecture.decoder.into_iter().collect(), worst)
}

/// Half of the features are a thousandth of the others and count as much: with one scale for all of them 8 bits would round
/// them to nothing.
#[test]
fn features_of_different_size_survive_8_bits() {
    let with = |embeddings| Dimensions { embeddings: Some(embeddings), ..official(64, 1) };
    survive_8_bits(TaskName::Vgd, &official(64, 1));
    survive_8_bits(TaskName::Vgd, &with(EmbeddingDimensions::Regions { width: 40 }));
    let dual_encoder = EmbeddingDimensions::DualEncoder { width: 80, features: true, linear: Some(40) };
    survive_8_bits(TaskName::Itm, &with(dual_encoder));
}

fn survive_8_bits(task: TaskName, d: &Dimensions) {
    let architecture = mmnas_search::space::presets::preset("mcan:1").unwrap();
    let mut network = formula_network(task, &architecture, d);
    let mut weights = weights_of(&network);
    let std: Vec<f32> = (0..d.feature).map(|k| if k % 2 == 0 { 1.0 } else { 1e-3 }).collect();
    weights.fold_feature_norm(&vec![0.0; d.feature], &std).unwrap();
    let mean = Tensor::zeros([d.feature as i64], (Kind::Float, Device::Cpu));
    network.set_feature_norm(Some(FeatureNorm { mean, std: Tensor::from_slice(&std) }));
    let recorded = record_stages(&network, task, 14, 12, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    write((task, &network), &architecture, &weights, &recorded, all_forms(), &out);
    let report = mmnas_runtime::verify(&out, &LoadOptions::default(), Timed::No).unwrap();
    let of_image = report.checks.iter().filter(|c| c.stage == "image" && c.form.precision.name() == "int8");
    let worst: Vec<f64> = of_image.map(|check| check.worst).collect();
    assert!(worst.len() == 2 && worst.iter().all(|worst| *worst < 0.05), "{worst:?}");
}

#[test]
fn two_hundred_random_architectures_agree_in_every_form() {
    let (mut seen, mut worst) = (BTreeSet::new(), BTreeMap::<&str, f64>::new());
    for number in 0..ARCHITECTURES {
        let (operations, differences) = verify_one(number);
        seen.extend(operations);
        for (precision, difference) in differences {
            let of_precision = worst.entry(precision).or_default();
            *of_precision = of_precision.max(difference);
        }
    }
    println!("largest differences of {ARCHITECTURES} architectures: {worst:?}");
    assert!(Operation::DECODER.iter().all(|operation| seen.contains(operation)), "{seen:?}");
    assert!(seen.len() > 30, "nearly every published operation was tried: {seen:?}");
    assert!(worst["fp32"] <= 1e-4 && worst["fp16"] <= 2e-2, "{worst:?}");
}
