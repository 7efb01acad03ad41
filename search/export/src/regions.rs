//! Relations of boxes and the biases that the RSA blocks add to their scores.

use crate::graph::Graph;
use crate::layers::Product;
use crate::source::{Source, decoder_prefix};
use crate::states::Reader;
use crate::{Result, Weight};

/// The smallest relative distance before its logarithm (published).
const MIN_DISTANCE: f32 = 1e-3;
/// The smallest relation before its logarithm (published).
const MIN_RELATION: f32 = 1e-6;

/// Biases of the RSA blocks `readers`, `[batch, heads of all, regions, regions]`, from one stacked product. In floats
/// whatever the number format: their logarithms make much of small differences.
pub(crate) fn relation_biases(source: Source<'_>, g: &mut Graph, boxes: &str, readers: &[Reader]) -> Result<String> {
    let d = source.dimensions;
    let relations = relations(g, boxes);
    let (matrix, bias) = (source.matrix("linear_y_rel", 4, d.relation)?, source.bias("linear_y_rel", d.relation)?);
    let shared = Product { name: "linear_y_rel.weight", matrix: &matrix, bias: Some(("linear_y_rel.bias", bias)) };
    let states = g.plain_product(&relations, &shared);
    let states = g.node("Relu", &[&states], vec![]);
    let name = |reader: &Reader| format!("{}.mhatt.linear_r", decoder_prefix(reader.block));
    let matrix = |reader: &Reader| source.matrix(&name(reader), d.relation, reader.heads);
    let matrices = readers.iter().map(matrix).collect::<Result<Vec<_>>>()?;
    let bias = |reader: &Reader| Ok(source.bias(&name(reader), reader.heads)?.data.clone());
    let biases = readers.iter().map(bias).collect::<Result<Vec<_>>>()?.concat();
    let (matrix, bias) = (Weight::beside(&matrices), Weight::new(&[biases.len()], biases));
    let stacked =
        Product { name: "relation.linear_r.weight", matrix: &matrix, bias: Some(("relation.linear_r.bias", &bias)) };
    let product = g.plain_product(&states, &stacked);
    // max(ReLU(v), 1e-6) is max(v, 1e-6).
    let least = g.scalar(MIN_RELATION);
    let product = g.node("Max", &[&product, &least], vec![]);
    let product = g.node("Log", &[&product], vec![]);
    Ok(g.transpose(&product, &[0, 3, 1, 2]))
}

/// `boxes` `[batch, n, 4]` → relations `[batch, n, n, 4]`; the formula is `mmnas_bundle::boxes::relation`.
fn relations(g: &mut Graph, boxes: &str) -> String {
    // The corners one by one, each [batch, n, 1].
    let corners = g.split(boxes, -1, &[1; 4]);
    let axis = |g: &mut Graph, low: &str, high: &str| {
        let (half, one, least) = (g.scalar(0.5), g.scalar(1.0), g.scalar(MIN_DISTANCE));
        let centre = g.node("Add", &[low, high], vec![]);
        let centre = g.node("Mul", &[&centre, &half], vec![]);
        let size = g.node("Sub", &[high, low], vec![]);
        let size = g.node("Add", &[&size, &one], vec![]);
        let (centre_j, size_j) = (g.transpose(&centre, &[0, 2, 1]), g.transpose(&size, &[0, 2, 1]));
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
    let parts: Vec<String> = [dx, dy, dw, dh].iter().map(|v| g.unsqueeze(v, &[-1])).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    g.concat(&parts, -1)
}
