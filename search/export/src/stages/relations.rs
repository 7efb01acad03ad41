//! Relations of boxes and the biases that the RSA blocks add to their scores.

use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::stages::states::Reader;
use crate::weights::Weight;

/// The smallest relative distance before its logarithm (published).
const MIN_DISTANCE: f32 = 1e-3;
/// The smallest relation before its logarithm (published).
const MIN_RELATION: f32 = 1e-6;

/// Biases of the RSA blocks `readers`, `[batch, heads of all, regions, regions]`.
///
/// They come from one stacked product, in floats whatever the number format: their logarithms make much of small
/// differences.
///
/// Pairs of regions come last up to the end: a bias that is added to long rows takes a fraction of the time of one that is
/// added to rows as long as the states are wide, and the biases are in the order that attention reads.
pub(crate) fn relation_biases(
    parameters: Parameters<'_>,
    g: &mut Graph,
    boxes: &str,
    readers: &[Reader],
) -> Result<String> {
    let d = parameters.dimensions;
    let relations = relations(g, boxes);
    let pairs = g.reshape(&relations, &[0, -1]);
    let (matrix, bias) = (
        parameters.weights.get(&param_names::weight(param_names::LINEAR_Y_REL), &[d.relation, 4])?,
        parameters.bias(param_names::LINEAR_Y_REL, d.relation)?,
    );
    let states = project(g, param_names::LINEAR_Y_REL, (matrix, bias), &pairs);
    let states = g.node("Relu", &[&states], vec![]);
    let (mut rows, mut biases) = (Vec::new(), Vec::new());
    for reader in readers {
        let name =
            format!("{}.{}.{}", param_names::decoder_block(reader.block), param_names::MHATT, param_names::LINEAR_R);
        rows.extend_from_slice(&parameters.weights.get(&format!("{name}.weight"), &[reader.heads, d.relation])?.data);
        biases.extend_from_slice(&parameters.bias(&name, reader.heads)?.data);
    }
    let heads = biases.len();
    let stacked = (&Weight::new(&[heads, d.relation], rows), &Weight::new(&[heads], biases));
    let product = project(g, "relation.linear_r", stacked, &states);
    // max(ReLU(v), 1e-6) is max(v, 1e-6).
    let least = g.scalar(MIN_RELATION);
    let product = g.node("Max", &[&product, &least], vec![]);
    let product = g.node("Log", &[&product], vec![]);
    let product = g.unfold_last_like(&product, &relations);
    Ok(g.transpose(&product, &[1, 0, 2, 3]))
}

/// A linear layer of the columns of `x`.
///
/// The weight is `[outputs, inputs]`; `x` is `[inputs, pairs]`, the result `[outputs, pairs]`.
fn project(g: &mut Graph, name: &str, (weight, bias): (&Weight, &Weight), x: &str) -> String {
    let weight = g.weight(&format!("{name}.weight"), weight);
    let bias = g.weight(&format!("{name}.bias"), &Weight::new(&[bias.data.len(), 1], bias.data.clone()));
    let product = g.node("MatMul", &[&weight, x], vec![]);
    g.node("Add", &[&product, &bias], vec![])
}

/// `boxes` `[batch, n, 4]` → relations `[4, batch, n, n]`; the formula is `mmnas_bundle::boxes::relation`.
fn relations(g: &mut Graph, boxes: &str) -> String {
    // x and y, each [2, batch, n].
    let corners = g.transpose(boxes, &[2, 0, 1]);
    let corners = g.split(&corners, 0, &[2; 2]);
    let (low, high) = (&corners[0], &corners[1]);
    let (half, one, least) = (g.scalar(0.5), g.scalar(1.0), g.scalar(MIN_DISTANCE));
    let centre = g.node("Add", &[low, high], vec![]);
    let centre = g.node("Mul", &[&centre, &half], vec![]);
    let size = g.node("Sub", &[high, low], vec![]);
    let size = g.node("Add", &[&size, &one], vec![]);
    let (centre_i, centre_j) = (g.unsqueeze(&centre, &[-1]), g.unsqueeze(&centre, &[-2]));
    let (size_i, size_j) = (g.unsqueeze(&size, &[-1]), g.unsqueeze(&size, &[-2]));
    let distance = g.node("Sub", &[&centre_i, &centre_j], vec![]);
    let distance = g.node("Abs", &[&distance], vec![]);
    let distance = g.node("Div", &[&distance, &size_i], vec![]);
    let distance = g.node("Max", &[&distance, &least], vec![]);
    let ratio = g.node("Div", &[&size_i, &size_j], vec![]);
    let both = g.concat(&[&distance, &ratio], 0);
    g.node("Log", &[&both], vec![])
}
