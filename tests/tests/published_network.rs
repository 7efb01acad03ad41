//! Networks and supernets agree with the published code's outputs.

use mmnas_bundle::manifest::TaskName;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::score_padding::ScorePadding;
use mmnas_search::space::presets as architectures;
use mmnas_search::task::vgd::loss as vgd;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::{MatmulPrecision, SamplingMode};
use mmnas_tests::agreement::{self, SupernetPairs, derived, only_path};
use mmnas_tests::bench::libtorch_side::{Padded, inputs as padded_inputs};
use mmnas_tests::bench::published_pass::{LoadedInputs, PublishedPass};
use mmnas_tests::exported::formula_network;
use mmnas_tests::fixtures::*;
use tch::{Device, Kind, Tensor};

fn logits_difference(folder: &str) -> f64 {
    agreement::net_vqa(folder, Device::Cpu, MatmulPrecision::Float32).absolute()
}

#[test]
fn the_formula_gives_the_published_values() {
    for example in json("official/formula.json").as_array().unwrap() {
        let shape: Vec<i64> = example["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
        let ours = formula(example["name"].as_str().unwrap(), &shape);
        for (k, expected) in example["first"].as_array().unwrap().iter().enumerate() {
            assert_eq!(ours[k], expected.as_f64().unwrap() as f32, "{}", example["name"]);
        }
    }
}

#[test]
fn net_vqa_logits_agree_to_1e_5() {
    let difference = logits_difference("official");
    assert!(difference <= 1e-5, "{difference}");
}

#[test]
fn official_full_net_vqa_logits_agree_to_1e_4() {
    let difference = logits_difference("official_full");
    assert!(difference <= 1e-4, "{difference}");
}

fn assert_supernet_agrees(pairs: &SupernetPairs) {
    let loss = pairs.loss.relative();
    assert!(loss <= 1e-5, "{}: {loss}", pairs.loss.what);
    // 12 + 18 blocks, gates and alphas.
    assert!(pairs.gradients.len() >= 60);
    for pair in &pairs.gradients {
        assert!(pair.relative() <= 1e-4, "{}: {}", pair.what, pair.relative());
    }
    for pair in &pairs.alpha_after {
        assert!(pair.absolute() <= 1e-5, "{}: {}", pair.what, pair.absolute());
    }
}

#[test]
fn super_vqa_full_mode_agrees() {
    assert_supernet_agrees(&agreement::super_vqa(SamplingMode::Full, Device::Cpu));
}

#[test]
fn super_vqa_two_mode_agrees_and_so_does_alpha_after_its_step() {
    let pairs = agreement::super_vqa(SamplingMode::Two, Device::Cpu);
    assert_eq!(pairs.alpha_after.len(), 30);
    assert_supernet_agrees(&pairs);
}

#[test]
fn net_itm_scores_agree() {
    for (folder, tolerance) in [("official", 1e-5), ("official_full", 1e-4)] {
        let pair = agreement::net_itm(folder, Device::Cpu);
        assert!(pair.absolute() <= tolerance, "{}: {}", pair.what, pair.absolute());
    }
}

#[test]
fn super_itm_full_mode_agrees() {
    assert_supernet_agrees(&agreement::super_itm(SamplingMode::Full, Device::Cpu));
}

#[test]
fn super_itm_two_mode_agrees_and_so_does_alpha_after_its_step() {
    let pairs = agreement::super_itm(SamplingMode::Two, Device::Cpu);
    assert_eq!(pairs.alpha_after.len(), 30);
    assert_supernet_agrees(&pairs);
}

#[test]
fn super_vgd_full_mode_agrees() {
    assert_supernet_agrees(&agreement::super_vgd(SamplingMode::Full, Device::Cpu));
}

#[test]
fn super_vgd_two_mode_agrees_and_so_does_alpha_after_its_step() {
    let pairs = agreement::super_vgd(SamplingMode::Two, Device::Cpu);
    assert_eq!(pairs.alpha_after.len(), 30);
    assert_supernet_agrees(&pairs);
}

#[test]
fn net_vgd_agrees_with_the_published_padding() {
    for (folder, tolerance) in [("official", 1e-5), ("official_full", 1e-4)] {
        for pair in agreement::net_vgd(folder, Device::Cpu) {
            assert!(pair.absolute() <= tolerance, "{}: {}", pair.what, pair.absolute());
        }
    }
}

#[test]
fn masking_the_scores_changes_one_constant_an_expression() {
    let (output, inputs, io) = agreement::grounding("official", Device::Cpu);
    let masked = vgd::log_probabilities(&output, &inputs.region_count, ScorePadding::Masked);
    for (row, &count) in inputs.region_count.iter().enumerate() {
        let there = |t: &Tensor| t.get(row as i64).narrow(0, 0, count);
        let shift = there(&masked) - there(&io["log_probs"]);
        let spread = (shift.max() - shift.min()).double_value(&[]);
        assert!(spread <= 1e-5, "item {row}: {spread}");
        let mass = there(&masked).exp().sum(Kind::Double).double_value(&[]);
        assert!((mass - 1.0).abs() <= 1e-5, "item {row}: {mass}");
        assert_eq!(shift.get(0).double_value(&[]) > 1e-3, count < output.size()[1], "item {row}");
    }
}

#[test]
fn padding_changes_no_logit() {
    let network = derived::<VqaData>("official/net_vqa.arch.json", &official(128, 17), Device::Cpu);
    let io = tensors("official/net_vqa.io.safetensors");
    let whole = inputs(&io);
    let path = only_path(&network);
    for row in 0..3 {
        let (t, n) = (whole.token_count[row], whole.region_count[row]);
        let of = |tensor: &Tensor, count: i64| tensor.narrow(0, row as i64, 1).narrow(1, 0, count);
        let alone = mmnas_search::Inputs {
            tokens: of(&whole.tokens, t),
            features: of(&whole.features, n),
            boxes: of(&whole.boxes, n),
            token_count: vec![t],
            region_count: vec![n],
        };
        let logits = tch::no_grad(|| network.forward(&alone, &path, Dropout(0.0))).scores;
        let difference = worst_difference(&logits, &io["logits"].narrow(0, row as i64, 1).to_kind(Kind::Float));
        assert!(difference <= 1e-5, "row {row}: {difference}");
    }
}

/// What the runtime's benchmark takes for the published forward pass gives what the network gives, padding and all.
#[test]
fn the_published_way_of_writing_the_forward_pass_gives_the_same() {
    for (task, outputs) in [(TaskName::Vqa, 17), (TaskName::Itm, 1), (TaskName::Vgd, 1)] {
        let architecture = architectures::preset(&format!("mmnas-{task}")).unwrap();
        let network = formula_network(task, &architecture, &official(64, outputs));
        let inputs = padded_inputs(&network, &Padded { task, regions: (6, 9), tokens: (4, 7) }, 2);
        let published = PublishedPass::new(task, &architecture, &network).forward(&LoadedInputs::new(&inputs));
        let of_network = network.forward(&inputs, &only_path(&network), Dropout(0.0)).scores;
        // Regions that are padding have outputs in grounding, which nothing reads and either way computes from its own padding.
        let there = |x: &Tensor| if task == TaskName::Vgd { x.narrow(1, 0, 6) } else { x.shallow_clone() };
        let (published, of_network) = (there(&published), there(&of_network));
        assert_eq!(published.size(), of_network.size());
        let difference = (&published - &of_network).abs().max().double_value(&[]);
        let largest = of_network.abs().max().double_value(&[]);
        assert!(difference <= 1e-5 && largest > 1e-2, "{task}: {difference}, {largest}");
    }
}
