//! Relations of boxes and the biases that the RSA blocks add to their scores.

use crate::Result;
use crate::Weight;
use crate::blocks::{Source, decoder_prefix};
use crate::graph::{Attribute, Graph};

/// The smallest relative distance before its logarithm (published).
const MIN_DISTANCE: f32 = 1e-3;
/// The smallest relation before its logarithm (published).
const MIN_RELATION: f32 = 1e-6;

/// Biases of the RSA blocks `blocks`, `[batch, blocks · heads, regions, regions]`, from one stacked product.
pub(crate) fn relation_biases(source: Source<'_>, g: &mut Graph, boxes: &str, blocks: &[usize]) -> Result<String> {
    let d = source.dimensions;
    let relations = relations(g, boxes);
    let states = source.linear(g, &relations, "linear_y_rel", 4, d.relation)?;
    let states = g.node("Relu", &[&states], vec![]);
    let name = |block: usize| format!("{}.mhatt.linear_r", decoder_prefix(block));
    let matrices =
        blocks.iter().map(|&b| source.matrix(&name(b), d.relation, d.heads())).collect::<Result<Vec<_>>>()?;
    let bias = |b: &usize| Ok(source.weights.get(&format!("{}.bias", name(*b)), &[d.heads()])?.data.clone());
    let biases = blocks.iter().map(bias).collect::<Result<Vec<_>>>()?.concat();
    let product = g.matmul(&states, "relation.linear_r.weight", &Weight::beside(&matrices));
    let biases = g.weight("relation.linear_r.bias", &Weight::new(&[biases.len()], biases));
    let product = g.node("Add", &[&product, &biases], vec![]);
    // max(ReLU(v), 1e-6) is max(v, 1e-6).
    let least = g.scalar(MIN_RELATION);
    let product = g.node("Max", &[&product, &least], vec![]);
    let product = g.node("Log", &[&product], vec![]);
    Ok(g.node("Transpose", &[&product], vec![("perm", Attribute::Ints(vec![0, 3, 1, 2]))]))
}

/// `boxes` `[batch, n, 4]` → relations `[batch, n, n, 4]`; the formula is `mmnas_bundle::boxes::relation`.
fn relations(g: &mut Graph, boxes: &str) -> String {
    // The corners one by one, each [batch, n, 1].
    let corners = g.split(boxes, -1, 4);
    let axis = |g: &mut Graph, low: &str, high: &str| {
        let (half, one, least) = (g.scalar(0.5), g.scalar(1.0), g.scalar(MIN_DISTANCE));
        let centre = g.node("Add", &[low, high], vec![]);
        let centre = g.node("Mul", &[&centre, &half], vec![]);
        let size = g.node("Sub", &[high, low], vec![]);
        let size = g.node("Add", &[&size, &one], vec![]);
        let across = |g: &mut Graph, v: &str| g.node("Transpose", &[v], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]);
        let (centre_j, size_j) = (across(g, &centre), across(g, &size));
        let distance = g.node("Sub", &[&centre, &centre_j], vec![]);
        let distance = g.node("Abs", &[&distance], vec![]);
        let distance = g.node("Div", &[&distance, &size], vec![]);
        let distance = g.node("Max", &[&distance, &least], vec![]);
        let distance = g.node("Log", &[&distance], vec![]);
        let ratio = g.node("Div", &[&size, &size_j], vec![]);
        (distance, g.node("Log", &[&ratio], vec![]))
    };
    let (dx, dw) = axis(g, &corners[0], &corners[2]);
    let (dy, dh) = axis(g, &corners[1], &corners[3]);
    let axes = g.integers(&[-1]);
    let parts: Vec<String> = [dx, dy, dw, dh].iter().map(|v| g.node("Unsqueeze", &[v, &axes], vec![])).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    g.node("Concat", &parts, vec![("axis", Attribute::Int(-1))])
}
