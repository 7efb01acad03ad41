//! The linear part of the dual encoder.
//!
//! A text's words are added up, an image's features by the area of their regions; each goes through one matrix. In
//! grounding the features of single regions go through that matrix, and their products with a text's count in the
//! scores.

use mmnas_bundle::boxes::LEAST_AREA;
use mmnas_bundle::manifest::Dtype;
use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::features::of_features;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;

/// The share of what is not there is e to the power of this.
const NOT_THERE: f32 = -1e9;

/// Of texts, `[batch, linear]`, from `tokens` `[batch, tokens]`.
pub(crate) fn text(
    parameters: Parameters<'_>,
    g: &mut Graph,
    (tokens, mask): (&str, &mut Mask),
    linear: usize,
) -> Result<String> {
    let table = parameters
        .weights
        .get(&param_names::weight(param_names::EMBED_W), &[parameters.dimensions.vocabulary, linear])?;
    let bias = parameters.bias(param_names::EMBED_W, linear)?;
    let words = g.lookup(&param_names::weight(param_names::EMBED_W), table, tokens);
    let presence = mask.presence(g);
    let presence = g.cast(&presence, g.float());
    let presence = g.unsqueeze(&presence, &[1]);
    let sum = g.node("MatMul", &[&presence, &words], vec![]);
    let sum = g.squeeze(&sum, &[1]);
    let bias = g.weight(&param_names::bias(param_names::EMBED_W), bias);
    Ok(g.node("Add", &[&sum, &bias], vec![]))
}

/// Of images, `[batch, linear]`, from `features` `[batch, regions, D]` and the boxes.
pub(crate) fn image(
    parameters: Parameters<'_>,
    g: &mut Graph,
    (features, mask): (&str, &mut Mask),
    linear: usize,
) -> Result<String> {
    let presence = mask.presence(g);
    let boxes = g.input("boxes", Dtype::F32, &["batch", "regions", "4"]);
    // In 32 bits: areas are large numbers, and their shares small ones. A share of the sum is the softmax of logarithms.
    let shares = g.in_f32(|g| {
        let corners = g.split(&boxes, -1, &[1; 4]);
        let zero = g.scalar(0.0);
        let side = |g: &mut Graph, low: &str, high: &str| {
            let size = g.node("Sub", &[high, low], vec![]);
            g.node("Max", &[&size, &zero], vec![])
        };
        let (width, height) = (side(g, &corners[0], &corners[2]), side(g, &corners[1], &corners[3]));
        let area = g.node("Mul", &[&width, &height], vec![]);
        let least = g.scalar(LEAST_AREA);
        let area = g.node("Max", &[&area, &least], vec![]);
        let area = g.node("Log", &[&area], vec![]);
        let area = g.transpose(&area, &[0, 2, 1]);
        let presence = g.unsqueeze(&presence, &[1]);
        let not_there = g.scalar(NOT_THERE);
        let area = g.node("Where", &[&presence, &area, &not_there], vec![]);
        g.node("Softmax", &[&area], vec![("axis", Attribute::Int(-1))])
    });
    let shares = g.cast(&shares, g.float());
    let mean = g.node("MatMul", &[&shares, features], vec![]);
    let mean = g.squeeze(&mean, &[1]);
    of_features(parameters, g, &mean, (param_names::EMBED_A, linear))
}

/// Of single regions, `[batch, regions, width]` in 32 bits, from `features` `[batch, regions, D]`.
pub(crate) fn regions(parameters: Parameters<'_>, g: &mut Graph, features: &str, width: usize) -> Result<String> {
    let of_regions = of_features(parameters, g, features, (param_names::EMBED_A, width))?;
    Ok(g.cast(&of_regions, Elem::F32))
}

/// What texts give times what the scores are multiplied by, in 32 bits.
pub(crate) fn scaled(parameters: Parameters<'_>, g: &mut Graph, text: &str) -> Result<String> {
    let factor = parameters.weights.get(param_names::EMBED_FACTOR, &[1])?.data[0];
    let text = g.cast(text, Elem::F32);
    Ok(g.in_f32(|g| {
        let factor = g.scalar(factor);
        g.node("Mul", &[&text, &factor], vec![])
    }))
}

/// `scores` and the products of the embeddings of text and regions.
///
/// `scores` is `[batch, regions]`, `text` `[batch, width]`; the embeddings are in 32 bits.
pub(crate) fn with_scores(g: &mut Graph, scores: &str, (text, regions): (&str, &str)) -> String {
    let scores = g.cast(scores, Elem::F32);
    g.in_f32(|g| {
        let column = g.unsqueeze(text, &[2]);
        let product = g.node("MatMul", &[regions, &column], vec![]);
        let product = g.squeeze(&product, &[2]);
        g.node("Add", &[&scores, &product], vec![])
    })
}

/// `linear` and the network's `own` embedding as one of length 1.
///
/// Each has length 1; the linear part counts a factor beside the own one.
pub(crate) fn beside(parameters: Parameters<'_>, g: &mut Graph, linear: &str, own: &str) -> Result<String> {
    let factor = parameters.weights.get(param_names::EMBED_FACTOR, &[1])?.data[0];
    // In 32 bits: sums of squares.
    let linear = g.cast(linear, Elem::F32);
    Ok(g.in_f32(|g| {
        let linear = g.unit(&linear);
        let factor = g.scalar(factor);
        let linear = g.node("Mul", &[&linear, &factor], vec![]);
        let both = g.concat(&[&linear, own], -1);
        g.unit(&both)
    }))
}
