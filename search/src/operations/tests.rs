//! Tests of the properties that every operation of the standard pool has.

use crate::operations::pool::{Candidate, Pool};
use std::collections::BTreeMap;

use mmnas_bundle::manifest::Dimensions;
use tch::{Device, Kind, Tensor, nn};

use crate::operations::*;
use crate::precision::MatmulPrecision;

/// The smallest width that the widest head fits.
const H: i64 = 256;
const RELATION: i64 = 4;
const DIMENSIONS: Dimensions = Dimensions {
    hidden: H as usize,
    feature: 1,
    embedding: 1,
    vocabulary: 1,
    outputs: 1,
    attflat: 1,
    head: 64,
    relation: RELATION as usize,
    embeddings: None,
};

fn randn(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn standard() -> Vec<Candidate> {
    Pool::standard().candidates().cloned().collect()
}

/// The module of a kind, its parameters, and parameters by name.
fn built(candidate: &Candidate) -> (Box<dyn OperationModule>, nn::VarStore) {
    candidate.check(&DIMENSIONS).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    (candidate.build(&store.root(), &DIMENSIONS), store)
}

/// True from each count on, `[batch, 1, 1, n]`.
fn mask(counts: &[i64], n: i64) -> Tensor {
    let positions = Tensor::arange(n, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    positions.ge_tensor(&Tensor::from_slice(counts).unsqueeze(1)).view([-1, 1, 1, n])
}

/// Bias that `relations` `[batch, n, n, relation]` add to the scores of `module`, if any.
fn bias(module: &dyn OperationModule, relations: &Tensor) -> Option<Tensor> {
    let states = relations.permute([3, 0, 1, 2]);
    module.relation_projection().map(|projection| crate::nn::relation::biases(&states, &[projection]).remove(0))
}

/// Output of `module` for `x` without any padding.
fn pass(module: &dyn OperationModule, x: &Tensor, (text, relations): (&Tensor, &Tensor), rate: f64) -> Tensor {
    let bias = bias(module, relations);
    let context = Context::new(None, Dropout(rate), MatmulPrecision::Float32);
    module.forward(x, &Context { text: Some(text), relation_bias: bias.as_ref(), ..context })
}

fn has_parameters(candidate: &Candidate) -> bool {
    !["skip_connect", "none"].contains(&candidate.name())
}

#[test]
fn a_batch_gives_what_its_items_give_alone() {
    tch::manual_seed(1);
    let (regions, tokens) = ([9, 4, 1], [2, 5, 3]);
    // What stands in padding is noise: nothing of it may reach a position that is there.
    let (x, text, relations) = (randn(&[3, 9, H]), randn(&[3, 5, H]), randn(&[3, 9, 9, RELATION]));
    let (region_mask, text_mask) = (mask(&regions, 9), mask(&tokens, 5));
    for candidate in standard() {
        let (module, _store) = built(&candidate);
        let in_encoder = candidate.in_encoder();
        for text in [Some(&text), None].into_iter().filter(|text| text.is_some() || in_encoder) {
            let bias_of_all = bias(module.as_ref(), &relations);
            let whole = Context {
                text,
                text_mask: text.map(|_| &text_mask),
                relation_bias: bias_of_all.as_ref(),
                ..Context::new(Some(&region_mask), Dropout(0.0), MatmulPrecision::Float32)
            };
            let whole = module.forward(&x, &whole);
            assert_eq!(whole.size(), x.size(), "{}", candidate.name());
            for row in 0..3 {
                let (n, t) = (regions[row], tokens[row]);
                let row = row as i64;
                let item = |tensor: &Tensor, n: i64| tensor.narrow(0, row, 1).narrow(1, 0, n);
                let (text, relations) = (text.map(|text| item(text, t)), item(&relations, n).narrow(2, 0, n));
                let own_bias = bias(module.as_ref(), &relations);
                let context = Context::new(None, Dropout(0.0), MatmulPrecision::Float32);
                let alone = Context { text: text.as_ref(), relation_bias: own_bias.as_ref(), ..context };
                let difference = module.forward(&item(&x, n), &alone) - item(&whole, n);
                let worst = difference.abs().max().double_value(&[]);
                assert!(worst <= 1e-5, "{}, item {row}: {worst}", candidate.name());
            }
        }
    }
}

#[test]
fn a_gradient_reaches_every_parameter_and_the_input() {
    tch::manual_seed(2);
    for candidate in standard() {
        let (module, store) = built(&candidate);
        let x = randn(&[2, 6, H]).set_requires_grad(true);
        let (text, relations) = (randn(&[2, 5, H]), randn(&[2, 6, 6, RELATION]));
        let y = pass(module.as_ref(), &x, (&text, &relations), 0.1);
        // A plain sum has no gradient: LN's outputs have a constant one.
        (y * randn(&[2, 6, H])).sum(Kind::Float).backward();
        let parameters = store.variables();
        assert_eq!(parameters.is_empty(), !has_parameters(&candidate));
        for (name, parameter) in &parameters {
            let norm = parameter.grad().norm().double_value(&[]);
            assert!(norm.is_finite() && norm > 0.0, "{}, {name}: {norm}", candidate.name());
        }
        let norm = x.grad().norm().double_value(&[]);
        assert!(norm.is_finite() && (norm > 0.0) == (candidate.name() != "none"), "{}: {norm}", candidate.name());
    }
}

#[test]
fn zeros_stay_finite_forwards_and_backwards() {
    tch::manual_seed(3);
    for candidate in standard() {
        let (module, store) = built(&candidate);
        let x = Tensor::zeros([1, 4, H], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (text, relations) = (x.zeros_like().narrow(1, 0, 2), randn(&[1, 4, 4, RELATION]));
        let y = pass(module.as_ref(), &x, (&text, &relations), 0.0);
        assert!(bool::try_from(y.isfinite().all()).unwrap(), "{}", candidate.name());
        (y * randn(&[1, 4, H])).sum(Kind::Float).backward();
        for tensor in store.variables().values().chain([&x]) {
            assert!(bool::try_from(tensor.grad().isfinite().all()).unwrap(), "{}", candidate.name());
        }
    }
}

#[test]
fn parameters_have_their_published_names_and_shapes() {
    const MHATT: [&str; 4] = ["mhatt.linear_v", "mhatt.linear_k", "mhatt.linear_q", "mhatt.linear_merge"];
    for candidate in standard() {
        let name = candidate.name();
        let (family, size) = match name.rsplit_once('_') {
            Some((family, size)) if size.parse::<i64>().is_ok() => (family, size.parse().unwrap()),
            _ => (name, 0),
        };
        let linear = |name: &str, inputs: i64, outputs: i64| {
            vec![(format!("{name}.weight"), vec![outputs, inputs]), (format!("{name}.bias"), vec![outputs])]
        };
        let attention = |inner: i64| {
            let shape = |part: &str| if part.ends_with("merge") { vec![H, inner] } else { vec![inner, H] };
            MHATT.map(|part| (format!("{part}.weight"), shape(part))).to_vec()
        };
        let mlp =
            |inputs: i64, inner: i64| [linear("mlp.fc.linear", inputs, inner), linear("mlp.linear", inner, H)].concat();
        let conv = |name: &str, inputs: i64, kernel: i64| {
            vec![(format!("{name}.weight"), vec![H, inputs, kernel]), (format!("{name}.bias"), vec![H])]
        };
        let mut expected: Vec<(String, Vec<i64>)> = match family {
            "self_att_64" | "guided_att_64" => attention(2 * H),
            "self_att" | "guided_att" | "uniimg_att" => attention(H),
            "rel_self_att" => [attention(H), linear("mhatt.linear_r", RELATION, H / size)].concat(),
            "feed_forward" => mlp(H, if size == 0 { 4 * H } else { size * H }),
            "feed_forward_deep" => [linear("fc.linear", H, 2 * H), mlp(2 * H, 2 * H)].concat(),
            "gated_linear" if size == 1 => linear("unit.linear", H, 2 * H),
            "gated_linear" => [linear("unit_0.linear", H, 4 * H), linear("unit_1.linear", 2 * H, 2 * H)].concat(),
            "sep_conv" => [conv("depthwise_conv", 1, size), conv("pointwise_conv", H, 1)].concat(),
            "std_conv" => conv("conv", H, size),
            "skip_connect" | "none" => Vec::new(),
            other => panic!("no names for {other}"),
        };
        if has_parameters(&candidate) {
            expected.extend([("ln.a_2".to_owned(), vec![H]), ("ln.b_2".to_owned(), vec![H])]);
        }
        let (_module, store) = built(&candidate);
        let found: BTreeMap<String, Vec<i64>> = store.variables().into_iter().map(|(n, t)| (n, t.size())).collect();
        assert_eq!(found, expected.into_iter().collect(), "{name}");
    }
}

#[test]
fn convolutions_start_from_kaimings_normal_weights_and_no_bias() {
    tch::manual_seed(4);
    for (name, parameter, fan_in) in
        [("sep_conv_11", "depthwise_conv", 11), ("sep_conv_3", "pointwise_conv", H), ("std_conv_5", "conv", 5 * H)]
    {
        let (_module, store) = built(Pool::standard().find(name).unwrap());
        let parameters = store.variables();
        let weight = &parameters[&format!("{parameter}.weight")];
        let expected = (2.0 / fan_in as f64).sqrt();
        let (mean, std) = (weight.mean(Kind::Double).double_value(&[]), weight.std(true).double_value(&[]));
        assert!((std / expected - 1.0).abs() < 0.1 && (mean / expected).abs() < 0.1, "{name}: {mean} {std} {expected}");
        assert_eq!(parameters[&format!("{parameter}.bias")].abs().max().double_value(&[]), 0.0);
    }
}

/// Observes dropout of a pass over one item from outside.
///
/// All features of the observed row are 1. So where the operation's output is dropped, `x + 0` is
/// the same number. LN is a shift and a factor a row. So the other numbers less that one are the
/// operation's output up to a factor.
fn dropped(
    module: &dyn OperationModule,
    x: &Tensor,
    looked_at: (&Tensor, &Tensor),
    rate: f64,
) -> (usize, Vec<Option<f64>>) {
    let row = Vec::<f32>::try_from(pass(module, x, looked_at, rate).get(0).get(3)).unwrap();
    let same = |value: f32| row.iter().filter(|other| **other == value).count();
    let most_common = row.iter().copied().max_by_key(|value| same(*value)).unwrap();
    let less = |value: &f32| (*value != most_common).then(|| f64::from(value - most_common));
    (same(most_common), row.iter().map(less).collect())
}

fn input_with_a_row_of_ones() -> Tensor {
    let x = randn(&[1, 40, H]);
    let _ = x.get(0).get(3).fill_(1.0);
    x
}

#[test]
fn dropout_acts_on_the_output_of_every_operation_with_parameters() {
    tch::manual_seed(5);
    for candidate in standard() {
        let (module, _store) = built(&candidate);
        let (x, text, relations) = (input_with_a_row_of_ones(), randn(&[1, 40, H]), randn(&[1, 40, 40, RELATION]));
        let most_common = |rate: f64| dropped(module.as_ref(), &x, (&text, &relations), rate).0;
        if has_parameters(&candidate) {
            assert!(most_common(0.0) < 4, "{}", candidate.name());
            assert!((88..=168).contains(&most_common(0.5)), "{}", candidate.name());
        } else {
            assert_eq!((most_common(0.0), most_common(0.5)), (H as usize, H as usize));
        }
    }
}

/// Dropout acts inside the operations that publish it.
///
/// The fixtures of the published code run without dropout and could not tell.
#[test]
fn dropout_acts_inside_where_it_is_published() {
    tch::manual_seed(6);
    for candidate in standard().iter().filter(|c| has_parameters(c)) {
        let (module, _store) = built(candidate);
        let (x, text, relations) = (input_with_a_row_of_ones(), randn(&[1, 40, H]), randn(&[1, 40, 40, RELATION]));
        let run = || dropped(module.as_ref(), &x, (&text, &relations), 0.5).1;
        // Where both passes keep the output, they keep the same one up to a factor, unless
        // something inside was dropped.
        let kept: Vec<(f64, f64)> = run().into_iter().zip(run()).filter_map(|(a, b)| Some((a?, b?))).collect();
        let dot = |f: fn(&(f64, f64)) -> f64| kept.iter().map(f).sum::<f64>();
        let cosine = dot(|(a, b)| a * b) / (dot(|(a, _)| a * a) * dot(|(_, b)| b * b)).sqrt();
        let inside =
            !["gated_linear_1", "sep_conv_", "std_conv_"].iter().any(|name| candidate.name().starts_with(name));
        assert!(
            kept.len() > 30 && if inside { cosine < 0.99 } else { cosine > 0.999 },
            "{}: {cosine}",
            candidate.name()
        );
    }
}
