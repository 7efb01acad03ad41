//! The graph of a vision stage over an EfficientNet-Lite: the backbone, and features of regions from its maps.

use mmnas_bundle::manifest::Dtype;

use crate::error::{Error, Result};
use crate::network::layers::Product;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;
use crate::vision::efficientnet::{self, Convolution, EfficientNet, Level};
use crate::vision::regions::{FORM, FeatureMap, region_features};
use crate::vision::settings::VisionSettings;
use crate::weights::{Weight, Weights};

/// Builds the graph: pixels → features of regions.
///
/// It reads `pixels` u8 `[batch, side, side, 3]` (and `rois` `[batch, regions, 4]`, `class_scores` `[batch, regions,
/// C]`), and gives `features` f32 `[batch, regions, D]` (and `class_logits` f32 `[batch, 1000]`).
pub(super) fn build(weights: &Weights, net: EfficientNet, settings: &VisionSettings) -> Result<Graph> {
    let mut graph = Graph::new("vision", FORM);
    let (g, side) = (&mut graph, settings.side as usize);
    let side_text = side.to_string();
    let pixels = g.input("pixels", Dtype::U8, &["batch", &side_text, &side_text, "3"]);
    let x = g.cast(&pixels, Elem::F32);
    let (mean, scale) = (g.scalar(efficientnet::PIXEL_MEAN), g.scalar(efficientnet::PIXEL_SCALE));
    let x = g.node("Sub", &[&x, &mean], vec![]);
    let x = g.node("Div", &[&x, &scale], vec![]);
    let mut x = g.transpose(&x, &[0, 3, 1, 2]);
    let mut size = side;
    let (name, norm, layer) = efficientnet::stem();
    (x, size) = convolution(g, weights, (&x, size), &name, &norm, layer)?;
    let mut maps = Vec::new();
    let whole = settings.classifier || settings.levels.contains(&Level::Head);
    let deepest = if whole { Some(Level::Head) } else { settings.levels.last().copied() };
    let last = deepest.map_or(0, |level| net.block_of(level));
    for (number, block) in net.blocks().into_iter().take(last + 1).enumerate() {
        let input = x.clone();
        for (name, norm, layer) in &block.layers {
            (x, size) = convolution(g, weights, (&x, size), name, norm, *layer)?;
        }
        if block.residual {
            x = g.node("Add", &[&input, &x], vec![]);
        }
        if settings.levels.iter().any(|&level| level != Level::Head && net.block_of(level) == number) {
            maps.push(FeatureMap { value: x.clone(), channels: block.outputs, height: size, width: size });
        }
    }
    if whole {
        let (name, norm, layer) = net.classifier_convolution();
        (x, size) = convolution(g, weights, (&x, size), &name, &norm, layer)?;
    }
    if settings.levels.contains(&Level::Head) {
        maps.push(FeatureMap { value: x.clone(), channels: efficientnet::HEAD, height: size, width: size });
    }
    region_features(g, &maps, (side, side), &settings.regions);
    if settings.classifier {
        let x = g.node("GlobalAveragePool", &[&x], vec![]);
        let x = g.squeeze(&x, &[2, 3]);
        let matrix = weights.get("_fc.weight", &[efficientnet::CLASSES, efficientnet::HEAD])?.transposed();
        let bias = weights.get("_fc.bias", &[efficientnet::CLASSES])?;
        let product = Product { name: "_fc.weight", matrix: &matrix, bias: Some(("_fc.bias", bias)) };
        let logits = g.plain_product(&x, &product);
        g.output(&logits, "class_logits", &["batch", &efficientnet::CLASSES.to_string()]);
    }
    Ok(graph)
}

/// A convolution with its batch norm folded in, and its ReLU6.
///
/// It returns the output and its side.
fn convolution(
    g: &mut Graph,
    weights: &Weights,
    (x, size): (&str, usize),
    name: &str,
    norm: &str,
    layer: Convolution,
) -> Result<(String, usize)> {
    let n = layer.outputs;
    let of_norm = |part: &str| Ok::<_, Error>(&weights.get(&format!("{norm}.{part}"), &[n])?.data);
    let (gain, shift, mean, variance) =
        (of_norm("weight")?, of_norm("bias")?, of_norm("running_mean")?, of_norm("running_var")?);
    let scale: Vec<f64> = (0..n)
        .map(|k| f64::from(gain[k]) / (f64::from(variance[k]) + efficientnet::BATCH_NORM_EPSILON).sqrt())
        .collect();
    let weight = weights.get(&format!("{name}.weight"), &layer.weight_shape())?;
    let filter = weight.data.len() / n;
    let scaled = weight.data.iter().enumerate().map(|(k, v)| (f64::from(*v) * scale[k / filter]) as f32).collect();
    let bias = (0..n).map(|k| (f64::from(shift[k]) - f64::from(mean[k]) * scale[k]) as f32).collect();
    let weight = g.weight(&format!("{name}.weight"), &Weight::new(&layer.weight_shape(), scaled));
    let bias = g.weight(&format!("{name}.bias"), &Weight::new(&[n], bias));
    let (before, after) = layer.padding(size);
    let (before, after, kernel, stride) = (before as i64, after as i64, layer.kernel as i64, layer.stride as i64);
    let attributes = vec![
        ("kernel_shape", Attribute::Ints(vec![kernel, kernel])),
        ("strides", Attribute::Ints(vec![stride, stride])),
        ("pads", Attribute::Ints(vec![before, before, after, after])),
        ("group", Attribute::Int(if layer.depthwise { layer.inputs as i64 } else { 1 })),
    ];
    let mut y = g.node("Conv", &[x, &weight, &bias], attributes);
    if layer.activation {
        let (low, high) = (g.scalar(0.0), g.scalar(6.0));
        y = g.node("Clip", &[&y, &low, &high], vec![]);
    }
    Ok((y, size.div_ceil(layer.stride)))
}
