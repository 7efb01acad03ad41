//! Operations against their formulas, computed by loops over 64-bit numbers.

use crate::operations::pool::Pool;
use std::collections::HashMap;

use mmnas_bundle::manifest::Dimensions;
use tch::{Device, Kind, Tensor, nn};

use crate::operations::*;

const H: usize = 64;
const DIMENSIONS: Dimensions = Dimensions {
    hidden: H,
    feature: 1,
    embedding: 1,
    vocabulary: 1,
    outputs: 1,
    attflat: 1,
    head: 64,
    relation: 4,
    embeddings: None,
};

/// Rows of numbers: positions of features, or a weight's outputs of inputs.
type Matrix = Vec<Vec<f64>>;

fn matrix(tensor: &Tensor) -> Matrix {
    Vec::<Vec<f64>>::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

struct Built {
    module: Box<dyn OperationModule>,
    parameters: HashMap<String, Tensor>,
}

impl Built {
    fn new(name: &str) -> Built {
        let store = nn::VarStore::new(Device::Cpu);
        let module = Pool::standard().find(name).unwrap().build(&store.root(), &DIMENSIONS);
        let parameters = store.variables();
        // Biases, gain and shift start at values that would hide them.
        let _guard = tch::no_grad_guard();
        for (name, parameter) in &parameters {
            if !name.ends_with("weight") {
                parameter.shallow_clone().copy_(&(Tensor::randn_like(parameter) * 0.3));
            }
        }
        Built { module, parameters }
    }

    fn vector(&self, name: &str) -> Vec<f64> {
        Vec::<f64>::try_from(self.parameters[name].to_kind(Kind::Double)).unwrap()
    }

    fn weight(&self, name: &str) -> Matrix {
        matrix(&self.parameters[&format!("{name}.weight")])
    }

    /// `x Wᵀ + b`; without `b` if the layer has none.
    fn linear(&self, x: &Matrix, name: &str) -> Matrix {
        let weight = self.weight(name);
        let bias = format!("{name}.bias");
        let bias = if self.parameters.contains_key(&bias) { self.vector(&bias) } else { vec![0.0; weight.len()] };
        let row = |x: &Vec<f64>| {
            weight.iter().zip(&bias).map(|(w, b)| b + x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()).collect()
        };
        x.iter().map(row).collect()
    }

    /// `gain · (z − mean) / (std + 1e-6) + shift`, row by row.
    ///
    /// `z` is `x + y`.
    fn residual_norm(&self, x: &Matrix, y: &Matrix) -> Matrix {
        let (gain, shift) = (self.vector("ln.a_2"), self.vector("ln.b_2"));
        let row = |(x, y): (&Vec<f64>, &Vec<f64>)| {
            let z: Vec<f64> = x.iter().zip(y).map(|(x, y)| x + y).collect();
            let mean = z.iter().sum::<f64>() / H as f64;
            let std = (z.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (H - 1) as f64).sqrt();
            (0..H).map(|k| gain[k] * (z[k] - mean) / (std + 1e-6) + shift[k]).collect()
        };
        x.iter().zip(y).map(row).collect()
    }

    /// Attention of `x` over `y` in heads of `width`, merged.
    fn attention(&self, x: &Matrix, y: &Matrix, width: usize) -> Matrix {
        let part = |input: &Matrix, name: &str| self.linear(input, &format!("mhatt.linear_{name}"));
        let (queries, keys, values) = (part(x, "q"), part(y, "k"), part(y, "v"));
        let inner = queries[0].len();
        let mut attended = vec![vec![0.0; inner]; x.len()];
        for start in (0..inner).step_by(width) {
            for (i, query) in queries.iter().enumerate() {
                let score = |key: &Vec<f64>| {
                    (start..start + width).map(|k| query[k] * key[k]).sum::<f64>() / (width as f64).sqrt()
                };
                let weights: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for k in start..start + width {
                    attended[i][k] = weights.iter().zip(&values).map(|(w, v)| w / sum * v[k]).sum();
                }
            }
        }
        part(&attended, "merge")
    }

    fn assert_gives(&self, expected: &Matrix, x: &Tensor, text: &Tensor) {
        let text = text.unsqueeze(0);
        let context = Context { text: Some(&text), ..Context::new(None, Dropout(0.0), MatmulPrecision::Float32) };
        let ours = matrix(&self.module.forward(&x.unsqueeze(0), &context).get(0));
        let difference =
            |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let worst = ours.iter().zip(expected).map(difference).fold(0.0, f64::max);
        assert!(ours.len() == expected.len() && worst <= 1e-5, "{worst}");
    }
}

/// Five regions and three tokens.
fn inputs(seed: i64) -> (Tensor, Tensor) {
    tch::manual_seed(seed);
    let randn = |n: i64| Tensor::randn([n, H as i64], (Kind::Float, Device::Cpu));
    (randn(5), randn(3))
}

fn relu(x: Matrix) -> Matrix {
    x.into_iter().map(|row| row.into_iter().map(|v| v.max(0.0)).collect()).collect()
}

fn glu(x: Matrix) -> Matrix {
    let row = |row: Vec<f64>| {
        let (a, b) = row.split_at(row.len() / 2);
        a.iter().zip(b).map(|(a, b)| a / (1.0 + (-b).exp())).collect()
    };
    x.into_iter().map(row).collect()
}

#[test]
fn self_and_guided_attention_of_any_head_width() {
    for (name, width) in [
        ("self_att_64_2", 64),
        ("self_att_64", 64),
        ("self_att_16", 16),
        ("guided_att_64_2", 64),
        ("guided_att_32", 32),
    ] {
        let (x, text) = inputs(1);
        let built = Built::new(name);
        let (rows, tokens) = (matrix(&x), matrix(&text));
        let attended = built.attention(&rows, if name.starts_with("self") { &rows } else { &tokens }, width);
        built.assert_gives(&built.residual_norm(&rows, &attended), &x, &text);
    }
}

#[test]
fn uniimg_attention_looks_at_regions_and_text_together() {
    let (x, text) = inputs(2);
    let built = Built::new("uniimg_att_32");
    let rows = matrix(&x);
    let both = [rows.clone(), matrix(&text)].concat();
    built.assert_gives(&built.residual_norm(&rows, &built.attention(&rows, &both, 32)), &x, &text);
}

#[test]
fn relations_bias_the_scores_of_every_head() {
    let (x, _) = inputs(3);
    let relations = Tensor::randn([1, 5, 5, 4], (Kind::Float, Device::Cpu));
    let built = Built::new("rel_self_att_16");
    let projection = built.module.relation_projection().unwrap();
    let bias = crate::nn::relation::biases(&relations.permute([3, 0, 1, 2]), &[projection]).remove(0);
    assert_eq!(bias.size(), [1, 4, 5, 5]);
    let pairs = matrix(&relations.view([25, 4]));
    for (pair, scores) in built.linear(&pairs, "mhatt.linear_r").iter().enumerate() {
        for (head, score) in scores.iter().enumerate() {
            let ours = bias.double_value(&[0, head as i64, pair as i64 / 5, pair as i64 % 5]);
            assert!((ours - score.max(1e-6).ln()).abs() <= 1e-4, "{ours} {score}");
        }
    }
    let of = |relation_bias: Option<&Tensor>| {
        let context = Context { relation_bias, ..Context::new(None, Dropout(0.0), MatmulPrecision::Float32) };
        built.module.forward(&x.unsqueeze(0), &context)
    };
    assert!((of(Some(&bias)) - of(None)).abs().max().double_value(&[]) > 1e-2, "the bias counts");
}

#[test]
fn feed_forward_and_gated_linear_layers() {
    for (name, seed) in [("feed_forward_2", 4), ("feed_forward_deep", 5), ("gated_linear_1", 6), ("gated_linear_2", 7)]
    {
        let (x, text) = inputs(seed);
        let built = Built::new(name);
        let rows = matrix(&x);
        let mlp = |x: &Matrix| built.linear(&relu(built.linear(x, "mlp.fc.linear")), "mlp.linear");
        let y = match name {
            "feed_forward_2" => mlp(&rows),
            "feed_forward_deep" => mlp(&relu(built.linear(&rows, "fc.linear"))),
            "gated_linear_1" => glu(built.linear(&rows, "unit.linear")),
            _ => glu(built.linear(&relu(glu(built.linear(&rows, "unit_0.linear"))), "unit_1.linear")),
        };
        built.assert_gives(&built.residual_norm(&rows, &y), &x, &text);
    }
}

#[test]
fn convolutions_over_positions() {
    for (name, kernel) in [("std_conv_3", 3usize), ("sep_conv_5", 5), ("std_conv_11", 11)] {
        let (x, text) = inputs(8);
        let built = Built::new(name);
        let rows = matrix(&x);
        let separable = name.starts_with("sep");
        let layer = if separable { "depthwise_conv" } else { "conv" };
        let weight =
            Vec::<f64>::try_from(built.parameters[&format!("{layer}.weight")].to_kind(Kind::Double).flatten(0, -1));
        let (weight, bias) = (weight.unwrap(), built.vector(&format!("{layer}.bias")));
        let inputs = if separable { 1 } else { H };
        let mut y = vec![bias; rows.len()];
        for (position, y) in y.iter_mut().enumerate() {
            for (output, y) in y.iter_mut().enumerate() {
                for input in 0..inputs {
                    for tap in 0..kernel {
                        let Some(from) = (position + tap).checked_sub(kernel / 2).and_then(|at| rows.get(at)) else {
                            continue;
                        };
                        *y += weight[(output * inputs + input) * kernel + tap]
                            * from[if separable { output } else { input }];
                    }
                }
            }
        }
        if separable {
            let pointwise = Tensor::squeeze_dim(&built.parameters["pointwise_conv.weight"], -1);
            let bias = built.vector("pointwise_conv.bias");
            let mix = |y: &Vec<f64>| {
                let row = |(w, b): (&Vec<f64>, &f64)| b + w.iter().zip(y).map(|(w, y)| w * y).sum::<f64>();
                matrix(&pointwise).iter().zip(&bias).map(row).collect()
            };
            y = y.iter().map(mix).collect();
        }
        built.assert_gives(&built.residual_norm(&rows, &y), &x, &text);
    }
}

#[test]
fn identity_and_zero() {
    let (x, text) = inputs(9);
    Built::new("skip_connect").assert_gives(&matrix(&x), &x, &text);
    Built::new("none").assert_gives(&vec![vec![0.0; H]; 5], &x, &text);
}
