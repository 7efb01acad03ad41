//! Networks and supernets agree with the published code's outputs.

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dimensions;
use mmnas_search::data::{ItmData, VgdData, VqaData};
use mmnas_search::operations::Dropout;
use mmnas_search::task::vgd::ScorePadding;
use mmnas_search::task::{Task, itm, vgd, vqa};
use mmnas_search::{Alpha, Choice, Naming, Network, Path, Pool, SamplingMode, Space, TensorMap};
use mmnas_tests::fixtures::*;
use tch::{Device, Kind, Tensor};

fn derived<T: Task>(arch: &str, dimensions: &Dimensions) -> Network {
    let architecture = Architecture::read(&path(arch)).unwrap();
    let space = Space::single(&architecture, &Pool::standard()).unwrap();
    let network = Network::new::<T>(&space, dimensions, Naming::Derived, Device::Cpu);
    set_formula_weights(&network);
    network
}

fn logits_difference(folder: &str, dimensions: &Dimensions) -> f64 {
    let network = derived::<VqaData>(&format!("{folder}/net_vqa.arch.json"), dimensions);
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

/// The supernet of a `super_*` fixture with alpha = 8 · formula.
fn supernet<T: Task>(fixture: &str, outputs: usize) -> (Network, Alpha, TensorMap) {
    let space = Space::published(12, 18);
    let network = Network::new::<T>(&space, &official(64, outputs), Naming::Supernet, Device::Cpu);
    set_formula_weights(&network);
    let name = |block: usize| {
        if block < 12 { format!("cells_enc.0.dag.{block}") } else { format!("cells_dec.0.dag.{}", block - 12) }
    };
    let alpha = |(block, ops): (usize, &[_])| {
        let name = format!("backnone.{}.0.alpha_prob", name(block));
        formula(&name, &[ops.len() as i64]).into_iter().map(|v| 8.0 * v).collect()
    };
    let values: Vec<Vec<f32>> = space.blocks().enumerate().map(alpha).collect();
    (network, Alpha::from_values(&space, &values), tensors(&format!("official/{fixture}.io.safetensors")))
}

fn indices(io: &TensorMap, name: &str) -> Vec<usize> {
    Vec::<i64>::try_from(&io[name]).unwrap().into_iter().map(|k| k as usize).collect()
}

/// The loss of a fixture's batch along a path.
type Loss = fn(&Network, &TensorMap, &Path) -> Tensor;

fn vqa_loss(network: &Network, io: &TensorMap, path: &Path) -> Tensor {
    vqa::loss(&network.forward(&inputs(io), path, Dropout(0.0)), &io["target"])
}

fn itm_loss(network: &Network, io: &TensorMap, path: &Path) -> Tensor {
    let positive = inputs(io);
    let of = |name: &str| io[name].shallow_clone();
    let counts = |name: &str| Vec::<i64>::try_from(&io[name]).unwrap();
    let negative_caption = mmnas_search::Inputs {
        tokens: of("neg_tokens"),
        features: of("features"),
        boxes: of("boxes"),
        token_count: counts("neg_token_count"),
        region_count: counts("region_count"),
    };
    let negative_image = mmnas_search::Inputs {
        tokens: of("tokens"),
        features: of("neg_features"),
        boxes: of("neg_boxes"),
        token_count: counts("token_count"),
        region_count: counts("neg_region_count"),
    };
    let run = |inputs| network.forward(inputs, path, Dropout(0.0));
    itm::loss(&run(&positive), &run(&negative_caption), &run(&negative_image))
}

fn vgd_loss(network: &Network, io: &TensorMap, path: &Path) -> Tensor {
    let inputs = inputs(io);
    let output = network.forward(&inputs, path, Dropout(0.0));
    let log_probabilities = vgd::log_probabilities(&output, &inputs.region_count, ScorePadding::Published);
    vgd::loss(
        &log_probabilities,
        &output.narrow(-1, 1, 4),
        (&io["target_scores"], &io["box_mask"], &io["target_deltas"]),
    )
}

/// Runs the gated path; returns the loss, the gates' gradients and those of some weights.
fn run_gated(network: &Network, io: &TensorMap, loss: Loss, path: &Path, weights: &[&str]) -> (Tensor, Vec<Tensor>) {
    let loss = loss(network, io, path);
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

fn assert_full_mode_agrees((network, alpha, io): (Network, Alpha, TensorMap), loss: Loss) {
    let sizes: Vec<usize> = network.space().blocks().map(<[_]>::len).collect();
    let choice = |(active, n): (usize, &usize)| {
        Choice::gated(active, (0..*n).filter(|&k| k != active).collect(), *n, Device::Cpu)
    };
    let path = Path(indices(&io, "full.active").into_iter().zip(&sizes).map(choice).collect());
    let weights = ["imgfeat_linear.weight", "lstm.weight_ih_l0"];
    let (loss, gradients) = run_gated(&network, &io, loss, &path, &weights);
    assert_loss_agrees(&loss, &io, "full.loss");
    let (gates, of_weights) = gradients.split_at(sizes.len());
    assert_blocks_agree(gates, &io, "full.gate_grad");
    assert_blocks_agree(&alpha.gradients(&path, gates), &io, "full.alpha_grad");
    for (name, gradient) in weights.iter().zip(of_weights) {
        let difference = relative_norm(gradient, &io[&format!("full.grad.{name}")]);
        assert!(difference <= 1e-4, "{name}: {difference}");
    }
}

fn assert_two_mode_agrees((network, mut alpha, io): (Network, Alpha, TensorMap), loss: Loss) {
    let sizes: Vec<usize> = network.space().blocks().map(<[_]>::len).collect();
    let pairs = indices(&io, "two.active").into_iter().zip(indices(&io, "two.inactive"));
    let choice = |((active, inactive), n): (_, &usize)| Choice::gated(active, vec![inactive], *n, Device::Cpu);
    let path = Path(pairs.zip(&sizes).map(choice).collect());
    let (loss, gates) = run_gated(&network, &io, loss, &path, &[]);
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
fn super_vqa_full_mode_agrees() {
    assert_full_mode_agrees(supernet::<VqaData>("super_vqa", 17), vqa_loss);
}

#[test]
fn super_vqa_two_mode_agrees_and_so_does_alpha_after_its_step() {
    assert_two_mode_agrees(supernet::<VqaData>("super_vqa", 17), vqa_loss);
}

#[test]
fn net_itm_scores_agree() {
    for (folder, dimensions, tolerance) in
        [("official", official(128, 1), 1e-5), ("official_full", official_full(1), 1e-4)]
    {
        let network = derived::<ItmData>(&format!("{folder}/net_itm.arch.json"), &dimensions);
        let io = tensors(&format!("{folder}/net_itm.io.safetensors"));
        let path = Path::single(&vec![0; network.space().len()]);
        let scores = itm::score(&tch::no_grad(|| network.forward(&inputs(&io), &path, Dropout(0.0))));
        let difference = worst_difference(&scores.view_as(&io["scores"]), &io["scores"]);
        assert!(difference <= tolerance, "{folder}: {difference}");
    }
}

#[test]
fn super_itm_full_mode_agrees() {
    assert_full_mode_agrees(supernet::<ItmData>("super_itm", 1), itm_loss);
}

#[test]
fn super_itm_two_mode_agrees_and_so_does_alpha_after_its_step() {
    assert_two_mode_agrees(supernet::<ItmData>("super_itm", 1), itm_loss);
}

#[test]
fn super_vgd_full_mode_agrees() {
    assert_full_mode_agrees(supernet::<VgdData>("super_vgd", 1), vgd_loss);
}

#[test]
fn super_vgd_two_mode_agrees_and_so_does_alpha_after_its_step() {
    assert_two_mode_agrees(supernet::<VgdData>("super_vgd", 1), vgd_loss);
}

/// The output of the head of a derived grounding net on a fixture, with its inputs.
fn grounding(folder: &str, dimensions: &Dimensions) -> (Tensor, mmnas_search::Inputs, TensorMap) {
    let network = derived::<VgdData>(&format!("{folder}/net_vgd.arch.json"), dimensions);
    let io = tensors(&format!("{folder}/net_vgd.io.safetensors"));
    let path = Path::single(&vec![0; network.space().len()]);
    let inputs = inputs(&io);
    let output = tch::no_grad(|| network.forward(&inputs, &path, Dropout(0.0)));
    (output, inputs, io)
}

#[test]
fn net_vgd_agrees_with_the_published_padding() {
    for (folder, dimensions, tolerance) in
        [("official", official(128, 1), 1e-5), ("official_full", official_full(1), 1e-4)]
    {
        let (output, inputs, io) = grounding(folder, &dimensions);
        let ours = vgd::log_probabilities(&output, &inputs.region_count, ScorePadding::Published);
        let difference = worst_difference(&ours, &io["log_probs"]);
        assert!(difference <= tolerance, "{folder}, log-probabilities: {difference}");
        let difference = worst_difference(&output.narrow(-1, 1, 4), &io["deltas"]);
        assert!(difference <= tolerance, "{folder}, deltas: {difference}");
    }
}

#[test]
fn masking_the_scores_changes_one_constant_an_expression() {
    let (output, inputs, io) = grounding("official", &official(128, 1));
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
    let network = derived::<VqaData>("official/net_vqa.arch.json", &official(128, 17));
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
