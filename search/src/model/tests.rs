//! Matrix precision, relations and embeddings of whole networks.

use crate::task::Task as _;
use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions};
use tch::{Device, Kind, Tensor};

use crate::model::head::HeadOutput;
use crate::model::inputs::Inputs;
use crate::model::network::{FeatureNorm, Naming, Network};
use crate::nn::adam::Adam;
use crate::nn::dropout::Dropout;
use crate::precision::MatmulPrecision;
use crate::recipe::adam::AdamSettings;
use crate::space::arch_path::{ArchPath, Choice};
use crate::space::search_space::Space;
use crate::task::itm::data::ItmData;
use crate::task::vqa::data::VqaData;
use crate::task::vqa::loss::loss;
use crate::toy::drawn;

const DIMENSIONS: Dimensions = Dimensions {
    hidden: 128,
    feature: 8,
    embedding: 6,
    vocabulary: 9,
    outputs: 5,
    attflat: 32,
    head: 64,
    relation: 16,
    embeddings: None,
};

/// A supernet whose weights are the same whatever other tests draw.
fn supernet() -> Network {
    let network = Network::new(&Space::published(2, 4), &DIMENSIONS, Naming::Supernet, Device::Cpu, VqaData::head);
    let mut rng = crate::seed::rng(2, "weights", 0);
    let _guard = tch::no_grad_guard();
    for (name, parameter) in network.parameters() {
        let shape = parameter.size();
        let scale = if shape.len() > 1 { 0.9 / (shape[shape.len() - 1] as f64).sqrt() } else { 0.05 };
        let offset = if name.ends_with("a_2") { 1.0 } else { 0.0 };
        parameter.shallow_clone().copy_(&(drawn(&mut rng, &shape) * scale + offset));
    }
    network
}

fn inputs() -> Inputs {
    let mut rng = crate::seed::rng(2, "inputs", 0);
    let mut drawn = |shape: &[i64]| drawn(&mut rng, shape);
    let corner = (drawn(&[4, 6, 2]) + 2.0) * 22.0;
    Inputs {
        tokens: ((drawn(&[4, 5]) + 2.0) * 2.2).to_kind(Kind::Int64),
        features: drawn(&[4, 6, 8]),
        boxes: Tensor::cat(&[&corner, &(&corner + (drawn(&[4, 6, 2]) + 2.0) * 15.0)], -1),
        token_count: vec![5, 3, 1, 2],
        region_count: vec![6, 6, 2, 1],
    }
}

/// A pair's logit begins with the cosine of its embeddings.
///
/// A scale that is learnt multiplies it.
#[test]
fn the_cosine_is_a_part_of_a_pairs_logit() {
    let d = Dimensions { outputs: 1, embeddings: Some(EmbeddingDimensions::dual_encoder(3)), ..DIMENSIONS };
    let network = Network::new(&Space::published(2, 4), &d, Naming::Supernet, Device::Cpu, ItmData::head);
    let (scale, outputs) = {
        let scale = &network.parameters()["embed_scale"];
        assert_eq!(scale.double_value(&[0]), 10.0);
        (scale.shallow_clone(), || network.forward(&inputs(), &every_operation(), Dropout(0.0)))
    };
    let with = tch::no_grad(outputs);
    let embeddings = |output: &HeadOutput| output.embeddings.as_ref().map(|e| (e.text.copy(), e.image.copy())).unwrap();
    let (text, image) = embeddings(&with);
    let cosine = (&text * &image).sum_dim_intlist(1i64, true, Kind::Float);
    let without = tch::no_grad(|| {
        let _ = scale.shallow_clone().zero_();
        outputs()
    });
    assert_eq!(embeddings(&without), (text, image));
    let added = &with.scores - &without.scores;
    assert!(relative(&added, &(cosine * 10.0)) < 1e-5 && added.norm().double_value(&[]) > 0.1);
    // An untrained network adds the same to all of them: a cosine of 0.45 is even.
    assert!((&without.scores + 4.5).abs().max().double_value(&[]) < 1e-6);
    let alone = |output: HeadOutput| output.embeddings.unwrap().logit.unwrap().alone();
    assert_eq!(alone(without), Some((0.0, -4.5)));
    let _guard = tch::no_grad_guard();
    let _ = network.parameters()["proj.weight"].get(0).get(3).fill_(1e-6);
    assert_eq!(alone(outputs()), None, "the head has learnt something");
}

/// The logit's loss must not reach the dual encoder's own layers.
///
/// Hard negatives are what the embeddings take for true.
#[test]
fn a_pairs_logit_does_not_train_the_dual_encoder() {
    let embeddings = EmbeddingDimensions::DualEncoder { width: 3, features: true, linear: None };
    let d = Dimensions { outputs: 1, embeddings: Some(embeddings), ..DIMENSIONS };
    let network = Network::new(&Space::published(2, 4), &d, Naming::Supernet, Device::Cpu, ItmData::head);
    let scores: fn(HeadOutput) -> Tensor = |output| output.scores;
    let embedded: fn(HeadOutput) -> Tensor = |output| {
        let embeddings = output.embeddings.unwrap();
        Tensor::cat(&[embeddings.text, embeddings.image], -1)
    };
    let gradient_of = |name: &str, part: fn(HeadOutput) -> Tensor| {
        let output = part(network.forward(&inputs(), &every_operation(), Dropout(0.0)));
        let weighted = (&output * Tensor::arange(output.size()[1], (Kind::Float, Device::Cpu)).cos()).sum(Kind::Float);
        let gradient = Tensor::f_run_backward(&[&weighted], &[&network.parameters()[name]], false, false);
        gradient.ok().map_or(0.0, |g| if g[0].defined() { g[0].norm().double_value(&[]) } else { 0.0 })
    };
    for name in ["embed_x.weight", "embed_y.weight", "embed_f.weight", "attflat_e.linear_merge.weight"] {
        assert_eq!(gradient_of(name, scores), 0.0, "{name}");
        assert!(gradient_of(name, embedded) > 0.0, "{name}");
    }
    assert!(gradient_of("embed_scale", scores) > 0.0);
}

/// Encoder SA, FFN; decoder SA, RSA, GA, FFN.
fn every_operation() -> ArchPath {
    ArchPath::single(&[0, 1, 0, 1, 2, 3])
}

fn relative(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).norm().double_value(&[]) / b.norm().double_value(&[])
}

#[test]
fn bfloat16_is_near_32_bits_and_leaves_gradients_in_32_bits() {
    let mut network = supernet();
    let (inputs, path) = (inputs(), every_operation());
    let target = Tensor::rand([4, 5], (Kind::Float, Device::Cpu));
    let run = |network: &Network| {
        let logits = network.forward(&inputs, &path, Dropout(0.0)).scores;
        assert_eq!(logits.kind(), Kind::Float);
        let names = network.parameters_on(&path);
        let parameters: Vec<&Tensor> = names.iter().map(|&name| &network.parameters()[name]).collect();
        let gradients = Tensor::run_backward(&[&loss(&logits, &target)], &parameters, false, false);
        (logits, names.into_iter().cloned().zip(gradients).collect::<Vec<_>>())
    };
    let (full, of_full) = run(&network);
    network.set_precision(MatmulPrecision::Bfloat16);
    let (half, of_half) = run(&network);
    // A number of bfloat16 has a relative error of at most 2^-9; that of the logits is of the same
    // order.
    let difference = relative(&half, &full);
    assert!(difference > 1e-5, "bfloat16 is used: {difference}");
    assert!(difference < 2e-2, "{difference}");
    for ((name, half), (_, full)) in of_half.iter().zip(&of_full) {
        assert_eq!(
            (half.defined(), half.defined().then(|| half.kind())),
            (full.defined(), full.defined().then_some(Kind::Float)),
            "{name}"
        );
    }
    let flat = |gradients: &[(String, Tensor)]| {
        let defined = gradients.iter().filter(|(_, g)| g.defined());
        Tensor::cat(&defined.map(|(_, g)| g.flatten(0, -1)).collect::<Vec<_>>(), 0)
    };
    let difference = relative(&flat(&of_half), &flat(&of_full));
    assert!(difference < 5e-2, "gradients: {difference}");
    // What a bundle records stays in 32 bits.
    let single = Network::new(
        &Space::single(&network.space().architecture(&[0, 1, 0, 1, 2, 3]), &crate::operations::pool::Pool::standard())
            .unwrap(),
        &DIMENSIONS,
        Naming::Derived,
        Device::Cpu,
        VqaData::head,
    );
    let recorded = single.stage_outputs(&inputs);
    let mut single = single;
    single.set_precision(MatmulPrecision::Bfloat16);
    assert!(single.stage_outputs(&inputs).output.equal(&recorded.output));
}

#[test]
fn training_in_bfloat16_lowers_the_loss() {
    let mut network = supernet();
    network.set_precision(MatmulPrecision::Bfloat16);
    let (inputs, path, mut adam) = (inputs(), every_operation(), Adam::default());
    let target = Tensor::rand([4, 5], (Kind::Float, Device::Cpu));
    let settings = AdamSettings { lr: 1e-3, betas: (0.9, 0.98), epsilon: 1e-9 };
    let mut step = || {
        let loss = loss(&network.forward(&inputs, &path, Dropout(0.1)).scores, &target);
        let names = network.parameters_on(&path);
        let parameters: Vec<&Tensor> = names.iter().map(|&name| &network.parameters()[name]).collect();
        let gradients = Tensor::run_backward(&[&loss], &parameters, false, false);
        let gradients: Vec<_> = names.into_iter().zip(gradients).filter(|(_, g)| g.defined()).collect();
        adam.step(network.parameters(), &gradients, settings);
        loss.double_value(&[])
    };
    let losses: Vec<f64> = (0..30).map(|_| step()).collect();
    assert!(losses[29] < 0.9 * losses[0], "{losses:?}");
}

/// A gated pass has the gates' gradients of a mixture.
///
/// It runs most operations without a graph. In the mixture the same operations have weight 1 and
/// all others 0, with a graph. Difference quotients would not do: the network has kinks.
#[test]
fn a_gated_pass_gives_every_operation_its_own_relation_bias() {
    let network = supernet();
    let inputs = inputs();
    let sizes: Vec<usize> = network.space().blocks().map(<[_]>::len).collect();
    // RSA is on in one block, off in another.
    let active = [0, 1, 1, 0, 1, 3];
    let path = |choice: &dyn Fn(usize, usize) -> Choice| {
        ArchPath(active.iter().zip(&sizes).map(|(&active, &n)| choice(active, n)).collect())
    };
    let gated = path(&|active, n| Choice::gated(active, (0..n).filter(|&k| k != active).collect(), n, Device::Cpu));
    let mixed = path(&|active, n| {
        let weights: Vec<f64> = (0..n).map(|k| f64::from(u8::from(k == active))).collect();
        Choice::mixed(&weights, true, Device::Cpu)
    });
    let factor = drawn(&mut crate::seed::rng(2, "factor", 0), &[4, 5]);
    let value = |path: &ArchPath| (network.forward(&inputs, path, Dropout(0.0)).scores * &factor).sum(Kind::Double);
    let gradients = |path: &ArchPath| Tensor::run_backward(&[value(path)], &path.gates(), false, false);
    let single = value(&ArchPath::single(&active)).double_value(&[]);
    for path in [&gated, &mixed] {
        assert!((value(path).double_value(&[]) - single).abs() <= 1e-5 * single.abs().max(1.0));
    }
    for (block, (ours, expected)) in gradients(&gated).iter().zip(&gradients(&mixed)).enumerate() {
        let difference = relative(ours, expected);
        assert!(difference <= 1e-4, "block {block}: {difference}");
    }
}

#[test]
fn features_are_standardised_on_the_networks_device() {
    let mut network = supernet();
    let (mut inputs, path) = (inputs(), every_operation());
    let plain = network.forward(&inputs, &path, Dropout(0.0)).scores;
    let (mean, std) =
        (Tensor::full([8], 3.0, (Kind::Float, Device::Cpu)), Tensor::full([8], 2.0, (Kind::Float, Device::Cpu)));
    inputs.features = &inputs.features * &std + &mean;
    network.set_feature_norm(Some(FeatureNorm { mean, std }));
    assert_eq!(network.feature_norm().unwrap().mean.device(), network.device());
    let difference = relative(&network.forward(&inputs, &path, Dropout(0.0)).scores, &plain);
    assert!(difference < 1e-5, "{difference}");
}

/// The linear part is `unit(factor · unit(Σ w + b))`.
///
/// The sum is over the words that are there, and over the features, each by its region's area.
#[test]
fn the_linear_part_is_the_formula() {
    let embeddings = EmbeddingDimensions::DualEncoder { width: 5, features: false, linear: Some(2) };
    let d = Dimensions { outputs: 1, embeddings: Some(embeddings), ..DIMENSIONS };
    let network = Network::new(&Space::published(2, 4), &d, Naming::Supernet, Device::Cpu, ItmData::head);
    let mut rng = crate::seed::rng(3, "weights", 0);
    let _guard = tch::no_grad_guard();
    for (name, parameter) in network.parameters().iter().filter(|(name, _)| name.starts_with("embed_")) {
        if !name.ends_with("scale") {
            parameter.shallow_clone().copy_(&drawn(&mut rng, &parameter.size()));
        }
    }
    let inputs = inputs();
    // One region without a size, and one inside out, among those that are there: both count as one
    // square pixel.
    for (row, region, corners) in [(0, 1, [5.0, 7.0, 5.0, 60.0]), (1, 2, [30.0, 9.0, 4.0, 50.0])] {
        inputs.boxes.get(row).get(region).copy_(&Tensor::from_slice(&corners));
    }
    // Blocks that read relations have none of such boxes; these do not.
    let output = network.forward(&inputs, &ArchPath::single(&[0, 1, 0, 0, 2, 3]), Dropout(0.0)).embeddings.unwrap();
    let numbers = |t: &Tensor| Vec::<f64>::try_from(t.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    let parameter = |name: &str| numbers(&network.parameters()[name]);
    let factor = parameter("embed_factor")[0];
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (tokens, features, boxes) = (numbers(&inputs.tokens), numbers(&inputs.features), numbers(&inputs.boxes));
    for row in 0..4 {
        let mut text = parameter("embed_w.bias");
        for token in &tokens[row * 5..][..inputs.token_count[row] as usize] {
            (0..2).for_each(|k| text[k] += parameter("embed_w.weight")[*token as usize * 2 + k]);
        }
        let regions = inputs.region_count[row] as usize;
        let areas: Vec<f64> = boxes[row * 24..][..4 * regions]
            .chunks_exact(4)
            .map(|b| ((b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0)).max(1.0))
            .collect();
        let mut image = parameter("embed_a.bias");
        for (region, area) in areas.iter().enumerate() {
            let share = area / areas.iter().sum::<f64>();
            let of_region = &features[row * 48 + region * 8..][..8];
            (0..2).for_each(|k| {
                let weights = &parameter("embed_a.weight")[k * 8..][..8];
                image[k] += share * weights.iter().zip(of_region).map(|(w, f)| w * f).sum::<f64>();
            });
        }
        for (embedded, linear) in [(&output.text, text), (&output.image, image)] {
            let found = numbers(&embedded.get(row as i64));
            assert!((length(&found) - 1.0).abs() < 1e-5);
            for k in 0..2 {
                let expected = factor * linear[k] / length(&linear) / (1.0 + factor * factor).sqrt();
                assert!((found[k] - expected).abs() < 1e-5, "{row}: {found:?} {linear:?}");
            }
        }
    }
    // No step changes them.
    let trained = network.parameters_on(&every_operation());
    assert!(trained.iter().any(|name| name.starts_with("embed_x")));
    assert!(!trained.iter().any(|name| network.is_fixed(name)));
}
