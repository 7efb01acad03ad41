//! Networks on the whole pool, every operation in every block.

use mmnas_bundle::manifest::Dimensions;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::{Alpha, ArchPath, Inputs, Naming, Network, Pool, SamplingMode, Space};
use tch::{Device, Kind, Tensor};

/// Sizes whose H fits the widest head.
const DIMENSIONS: Dimensions = Dimensions {
    hidden: 256,
    feature: 8,
    embedding: 6,
    vocabulary: 9,
    outputs: 3,
    attflat: 7,
    head: 64,
    relation: 5,
    embeddings: None,
};

fn inputs() -> Inputs {
    let float = (Kind::Float, Device::Cpu);
    Inputs {
        tokens: Tensor::randint(9, [3, 4], (Kind::Int64, Device::Cpu)),
        features: Tensor::randn([3, 5, 8], float),
        boxes: Tensor::from_slice(&[0f32, 0.0, 9.0, 9.0]).expand([3, 5, 4], false) + Tensor::rand([3, 5, 4], float),
        token_count: vec![4, 2, 1],
        region_count: vec![5, 1, 3],
    }
}

fn whole_pool(blocks: (usize, usize)) -> mmnas_search::Result<Space> {
    let pool = Pool::standard();
    let decoder: Vec<&str> = pool.candidates().map(|c| c.name()).collect();
    let encoder: Vec<&str> = pool.candidates().filter(|c| c.in_encoder()).map(|c| c.name()).collect();
    Space::new(&encoder, &decoder, blocks, &pool)
}

fn assert_finite(what: &str, tensor: &Tensor) {
    assert!(tensor.isfinite().all().int64_value(&[]) == 1, "{what}");
}

#[test]
fn every_operation_in_every_block_runs_both_ways() {
    tch::manual_seed(1);
    let space = whole_pool((1, 2)).unwrap();
    space.check(&DIMENSIONS).unwrap();
    let network = Network::new(&space, &DIMENSIONS, Naming::Supernet, Device::Cpu, VqaData::head);
    let inputs = inputs();
    let alpha = Alpha::uniform(&space);
    for mode in [SamplingMode::Full, SamplingMode::Two] {
        let path = alpha.sample_gated(mode, 1, "test", 0, Device::Cpu);
        let output = network.forward(&inputs, &path, Dropout(0.1)).scores;
        assert_finite("output", &output);
        let loss = (&output * Tensor::randn_like(&output)).sum(Kind::Float);
        let gates = Tensor::f_run_backward(&[&loss], &path.gates(), false, false).unwrap();
        let sizes: Vec<i64> = gates.iter().map(|g| g.size()[0]).collect();
        assert_eq!(sizes, space.blocks().map(|block| block.len() as i64).collect::<Vec<_>>());
        for (block, (gates, choice)) in gates.iter().zip(&path.0).enumerate() {
            assert_finite(&format!("gates of block {block}"), gates);
            // Every operation that ran tells apart; those that give zeros or did not run give
            // nothing.
            let ran = if mode == SamplingMode::Full { gates.size()[0] } else { 2 };
            let silent = space.blocks().nth(block).unwrap().iter().filter(|c| c.name() == "none").count() as i64;
            let told = gates.not_equal(0.0).sum(Kind::Int64).int64_value(&[]);
            assert!((ran - silent..=ran).contains(&told), "block {block}, {choice:?}: {told} of {ran}");
        }
    }
}

/// Gradients of every parameter on a path exist and are finite.
///
/// That holds whatever was multiplied by zero on the way.
#[test]
fn paths_through_zeros_and_identities_give_finite_gradients() {
    tch::manual_seed(2);
    let names = ["none", "skip_connect", "self_att_64", "sep_conv_3", "feed_forward_2"];
    let space = Space::new(&names, &names, (2, 2), &Pool::standard()).unwrap();
    let network = Network::new(&space, &DIMENSIONS, Naming::Supernet, Device::Cpu, VqaData::head);
    let inputs = inputs();
    for choices in [[0, 0, 0, 0], [1, 1, 1, 1], [0, 2, 0, 2], [2, 0, 3, 0], [0, 3, 0, 4], [0, 1, 1, 0]] {
        let path = ArchPath::single(&choices);
        let output = network.forward(&inputs, &path, Dropout(0.1)).scores;
        assert_finite(&format!("output of {choices:?}"), &output);
        let names = network.parameters_on(&path);
        let parameters: Vec<&Tensor> = names.iter().map(|&name| &network.parameters()[name]).collect();
        let loss = output.square().sum(Kind::Float);
        for (name, gradient) in names.iter().zip(Tensor::f_run_backward(&[&loss], &parameters, false, false).unwrap()) {
            assert!(gradient.defined(), "{name} on {choices:?}");
            assert_finite(&format!("{name} on {choices:?}"), &gradient);
        }
    }
}

#[test]
fn relations_are_computed_and_trained_for_any_operation_that_reads_them() {
    let pool = Pool::standard();
    let space = Space::new(&["feed_forward"], &["rel_self_att_16", "self_att_16"], (1, 1), &pool).unwrap();
    let network = Network::new(&space, &DIMENSIONS, Naming::Supernet, Device::Cpu, VqaData::head);
    let trains = |choice: usize| {
        network.parameters_on(&ArchPath::single(&[0, choice])).iter().any(|name| name.starts_with("linear_y_rel"))
    };
    assert!(trains(0) && !trains(1));
    let inputs = inputs();
    let moved = Inputs { boxes: &inputs.boxes * Tensor::from_slice(&[1f32, 1.0, 7.0, 3.0]), ..self::inputs() };
    let moved = Inputs { tokens: inputs.tokens.copy(), features: inputs.features.copy(), ..moved };
    let difference = |choice: usize| {
        let of = |inputs: &Inputs| network.forward(inputs, &ArchPath::single(&[0, choice]), Dropout(0.0)).scores;
        (of(&inputs) - of(&moved)).abs().max().double_value(&[])
    };
    assert!(difference(0) > 1e-4 && difference(1) == 0.0, "{} {}", difference(0), difference(1));
}
