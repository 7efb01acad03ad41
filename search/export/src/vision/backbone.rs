//! The graph of a vision stage: the backbone, and features of regions from its maps.

use mmnas_bundle::manifest::{Dtype, Form, Precision, Variant};

use crate::error::{Error, Result};
use crate::network::layers::Product;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;
use crate::vision::efficientnet::{self, Convolution, EfficientNet, Level};
use crate::vision::settings::{BOX_FEATURES, VisionSettings};
use crate::weights::{Weight, Weights};

/// The graph needs none of ONNX Runtime's own operators.
pub(super) const FORM: Form = Form { variant: Variant::Portable, precision: Precision::Fp32 };

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
            maps.push((x.clone(), size));
        }
    }
    if whole {
        let (name, norm, layer) = net.classifier_convolution();
        (x, size) = convolution(g, weights, (&x, size), &name, &norm, layer)?;
    }
    if settings.levels.contains(&Level::Head) {
        maps.push((x.clone(), size));
    }
    match settings.grid.filter(|_| settings.proposals.is_none()) {
        Some(grid) => grid_features(g, &maps, grid, (net, settings)),
        None => roi_features(g, &maps, side, (net, settings)),
    }
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

/// Averages over the cells of a grid, row-major.
fn grid_features(
    g: &mut Graph,
    maps: &[(String, usize)],
    grid: usize,
    (net, settings): (EfficientNet, &VisionSettings),
) {
    let features = settings.features(net);
    let mut pooled = Vec::new();
    for (map, size) in maps {
        let cell = (size / grid) as i64;
        let attributes =
            vec![("kernel_shape", Attribute::Ints(vec![cell, cell])), ("strides", Attribute::Ints(vec![cell, cell]))];
        pooled.push(if cell == 1 { map.clone() } else { g.node("AveragePool", &[map], attributes) });
    }
    if settings.boxes {
        // The cells are the same in every image: numbers that are stored, added to zeros of a batch's shape.
        let cells: Vec<[f32; BOX_FEATURES]> = (0..grid * grid).map(|cell| cell_features(cell, grid)).collect();
        let rows = (0..BOX_FEATURES).flat_map(|k| cells.iter().map(move |cell| cell[k])).collect();
        let cells = g.weight("cells", &Weight::new(&[1, BOX_FEATURES, grid, grid], rows));
        let narrow = g.split(&pooled[0].clone(), 1, &[1, net.channels(settings.levels[0]) - 1]);
        let nothing = g.scalar(0.0);
        let zeros = g.node("Mul", &[&narrow[0], &nothing], vec![]);
        pooled.push(g.node("Add", &[&zeros, &cells], vec![]));
    }
    let all = g.concat(&pooled.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let all = g.reshape(&all, &[0, features as i64, (grid * grid) as i64]);
    let all = g.transpose(&all, &[0, 2, 1]);
    g.output(&all, "features", &["batch", &(grid * grid).to_string(), &features.to_string()]);
}

/// The features of a grid's cell as a box.
fn cell_features(cell: usize, grid: usize) -> [f32; BOX_FEATURES] {
    let part = |k: usize| k as f32 / grid as f32;
    let (row, column) = (cell / grid, cell % grid);
    [part(column), part(row), part(column + 1), part(row + 1), part(1) * part(1)]
}

/// Averages over boxes (RoIAlign: He et al., 2017).
///
/// Coordinates are half-pixel; there are as many samples as the box has cells.
fn roi_features(
    g: &mut Graph,
    maps: &[(String, usize)],
    side: usize,
    (net, settings): (EfficientNet, &VisionSettings),
) {
    let rois = g.input("rois", Dtype::F32, &["batch", "regions", "4"]);
    let flat = g.reshape(&rois, &[-1, 4]);
    // The image of each box: 0, 0, …, 1, 1, ….
    let image = g.positions(&rois, 0);
    let (image, within) = (g.unsqueeze(&image, &[1]), g.positions(&rois, 1));
    let zero = g.integer(0);
    let within = g.node("Mul", &[&within, &zero], vec![]);
    let image = g.node("Add", &[&image, &within], vec![]);
    let image = g.reshape(&image, &[-1]);
    let mut pooled = Vec::new();
    for (map, size) in maps {
        let attributes = vec![
            ("mode", Attribute::Text("avg")),
            ("output_height", Attribute::Int(1)),
            ("output_width", Attribute::Int(1)),
            ("sampling_ratio", Attribute::Int(0)),
            ("spatial_scale", Attribute::Float(*size as f32 / side as f32)),
            ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
        ];
        pooled.push(g.node("RoiAlign", &[map, &flat, &image], attributes));
    }
    let all = g.concat(&pooled.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let all = g.squeeze(&all, &[2, 3]);
    let mut all = g.unfold_like(&all, &rois);
    if settings.boxes {
        let whole = g.scalar(side as f32);
        let corners = g.node("Div", &[&rois, &whole], vec![]);
        let parts = g.split(&corners, 2, &[2, 2]);
        let size = g.node("Sub", &[&parts[1], &parts[0]], vec![]);
        let size = g.split(&size, 2, &[1, 1]);
        let area = g.node("Mul", &[&size[0], &size[1]], vec![]);
        all = g.concat(&[&all, &corners, &area], 2);
    }
    if settings.classes > 0 {
        let scores = g.input("class_scores", Dtype::F32, &["batch", "regions", &settings.classes.to_string()]);
        let scores = g.node("Relu", &[&scores], vec![]);
        let scores = g.node("Sqrt", &[&scores], vec![]);
        all = g.concat(&[&all, &scores], 2);
    }
    g.output(&all, "features", &["batch", "regions", &settings.features(net).to_string()]);
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
