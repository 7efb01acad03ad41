//! Networks and supernets agree with the published code's outputs.

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dimensions;
use mmnas_search::data::VqaData;
use mmnas_search::operations::Dropout;
use mmnas_search::task::vqa;
use mmnas_search::{Alpha, Choice, Naming, Network, Path, SamplingMode, Space, TensorMap};
use mmnas_tests::fixtures::*;
use tch::{Device, Kind, Tensor};

fn derived(arch: &str, dimensions: &Dimensions) -> Network {
    let architecture = Architecture::read(&path(arch)).unwrap();
    let network = Network::new::<VqaData>(&Space::single(&architecture), dimensions, Naming::Derived, Device::Cpu);
    set_formula_weights(&network);
    network
}

fn logits_difference(folder: &str, dimensions: &Dimensions) -> f64 {
    let network = derived(&format!("{folder}/net_vqa.arch.json"), dimensions);
    let io = tensors(&format!("{folder}/net_vqa.io.safetensors"));
    let path = Path::single(&vec![0; network.space().len()]);
    let logits = tch::no_grad(|| network.forward(&inputs(&io), &path, Dropout(0.0)));
    worst_difference(&logits, &io["logits"])
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
    let difference = logits_difference("official", &official(128, 17));
    assert!(difference <= 1e-5, "{difference}");
}

#[test]
fn official_full_net_vqa_logits_agree_to_1e_4() {
    let difference = logits_difference("official_full", &official_full(3129));
    assert!(difference <= 1e-4, "{difference}");
}

/// The supernet of the `super_vqa` fixture with alpha = 8 · formula.
fn supernet() -> (Network, Alpha, TensorMap) {
    let space = Space::published(12, 18);
    let network = Network::new::<VqaData>(&space, &official(64, 17), Naming::Supernet, Device::Cpu);
    set_formula_weights(&network);
    let name = |block: usize| {
        if block < 12 { format!("cells_enc.0.dag.{block}") } else { format!("cells_dec.0.dag.{}", block - 12) }
    };
    let alpha = |(block, ops): (usize, &[_])| {
        let name = format!("backnone.{}.0.alpha_prob", name(block));
        formula(&name, &[ops.len() as i64]).into_iter().map(|v| 8.0 * v).collect()
    };
    let values: Vec<Vec<f32>> = space.blocks().enumerate().map(alpha).collect();
    (network, Alpha::from_values(&space, &values), tensors("official/super_vqa.io.safetensors"))
}

fn indices(io: &TensorMap, name: &str) -> Vec<usize> {
    Vec::<i64>::try_from(&io[name]).unwrap().into_iter().map(|k| k as usize).collect()
}

/// Runs the gated path; returns the loss, the gates' gradients and those of two weights.
fn run_gated(network: &Network, io: &TensorMap, path: &Path, weights: &[&str]) -> (Tensor, Vec<Tensor>) {
    let loss = vqa::loss(&network.forward(&inputs(io), path, Dropout(0.0)), &io["target"]);
    let mut wanted = path.gates();
    wanted.extend(weights.iter().map(|name| &network.parameters()[*name]));
    let gradients = Tensor::f_run_backward(&[&loss], &wanted, false, false).unwrap();
    (loss, gradients)
}

fn assert_blocks_agree(ours: &[Tensor], io: &TensorMap, name: &str) {
    for (block, gradient) in ours.iter().enumerate() {
        let difference = relative_norm(gradient, &io[&format!("{name}.{block:02}")]);
        assert!(difference <= 1e-4, "{name}, block {block}: {difference}");
    }
}

fn assert_loss_agrees(loss: &Tensor, io: &TensorMap, name: &str) {
    let (ours, theirs) = (loss.double_value(&[]), io[name].double_value(&[]));
    assert!((ours - theirs).abs() <= 1e-5 * theirs.abs(), "{name}: {ours} {theirs}");
}

#[test]
fn super_vqa_full_mode_agrees() {
    let (network, alpha, io) = supernet();
    let sizes: Vec<usize> = network.space().blocks().map(<[_]>::len).collect();
    let choice = |(active, n): (usize, &usize)| {
        Choice::gated(active, (0..*n).filter(|&k| k != active).collect(), *n, Device::Cpu)
    };
    let path = Path(indices(&io, "full.active").into_iter().zip(&sizes).map(choice).collect());
    let weights = ["imgfeat_linear.weight", "lstm.weight_ih_l0"];
    let (loss, gradients) = run_gated(&network, &io, &path, &weights);
    assert_loss_agrees(&loss, &io, "full.loss");
    let (gates, of_weights) = gradients.split_at(sizes.len());
    assert_blocks_agree(gates, &io, "full.gate_grad");
    assert_blocks_agree(&alpha.gradients(&path, gates), &io, "full.alpha_grad");
    for (name, gradient) in weights.iter().zip(of_weights) {
        let difference = relative_norm(gradient, &io[&format!("full.grad.{name}")]);
        assert!(difference <= 1e-4, "{name}: {difference}");
    }
}

#[test]
fn super_vqa_two_mode_agrees_and_so_does_alpha_after_its_step() {
    let (network, mut alpha, io) = supernet();
    let sizes: Vec<usize> = network.space().blocks().map(<[_]>::len).collect();
    let pairs = indices(&io, "two.active").into_iter().zip(indices(&io, "two.inactive"));
    let path = Path(
        pairs
            .zip(&sizes)
            .map(|((active, inactive), n)| Choice::gated(active, vec![inactive], *n, Device::Cpu))
            .collect(),
    );
    let (loss, gates) = run_gated(&network, &io, &path, &[]);
    assert_loss_agrees(&loss, &io, "two.loss");
    assert_blocks_agree(&gates, &io, "two.gate_grad");
    let gradients = alpha.gradients(&path, &gates);
    assert_blocks_agree(&gradients, &io, "two.alpha_grad");
    alpha.step_sgd(&path, &gradients, 0.1, SamplingMode::Two);
    for (block, values) in alpha.values().iter().enumerate() {
        let difference = worst_difference(&Tensor::from_slice(values), &io[&format!("two.alpha_after.{block:02}")]);
        assert!(difference <= 1e-5, "block {block}: {difference}");
    }
}

#[test]
fn padding_changes_no_logit() {
    let network = derived("official/net_vqa.arch.json", &official(128, 17));
    let io = tensors("official/net_vqa.io.safetensors");
    let whole = inputs(&io);
    let path = Path::single(&vec![0; network.space().len()]);
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
        let logits = tch::no_grad(|| network.forward(&alone, &path, Dropout(0.0)));
        let difference = worst_difference(&logits, &io["logits"].narrow(0, row as i64, 1).to_kind(Kind::Float));
        assert!(difference <= 1e-5, "row {row}: {difference}");
    }
}
