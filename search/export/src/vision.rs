use std::path::Path;

use mmnas_bundle::manifest::{
    self, Dtype, Form, Precision, RegionSource, Resize, Stage, Variant, Vision, VisionManifest,
};

use crate::efficientnet::{self, Convolution};
use crate::folder_writer::FolderWriter;
use crate::golden::{GOLDEN, GoldenTensor, golden_file};
use crate::graph::{Attribute, Graph};
use crate::model::{BuiltGraph, stage_of};
use crate::value_type::Elem;
use crate::{Result, Weight, Weights};

/// File of the vision graph, in its own folder and in bundles.
pub(crate) const VISION_GRAPH: &str = "vision.onnx";
/// The graph needs none of ONNX Runtime's own operators.
const FORM: Form = Form { variant: Variant::Portable, precision: Precision::Fp32 };

/// A vision stage over EfficientNet-Lite0: square input of `side` pixels, the last block of each of the five resolutions
/// averaged over the cells of a `grid × grid` grid and concatenated.
fn describe(side: u32, grid: usize, stage: Stage) -> Vision {
    Vision {
        stage,
        width: side,
        height: side,
        resize: Resize::Triangle,
        regions: RegionSource::Grid { rows: grid, columns: grid },
        feature: efficientnet::LAST_OF_RESOLUTION.iter().map(|(_, channels)| channels).sum(),
        backbone: "EfficientNet-Lite0, last blocks of five resolutions".to_owned(),
    }
}

/// Checks the sizes of a vision stage: `side` a multiple of 32 · `grid` up to [`Vision::MAX_SIDE`], at most
/// [`manifest::MAX_REGIONS`] regions.
pub fn check_vision(side: u32, grid: usize) -> Result<()> {
    let wrong = |field: &str, expected: String, found: String| {
        Err(mmnas_bundle::Error::invalid("vision stage", field, expected, found).into())
    };
    let regions = grid.saturating_mul(grid);
    if regions == 0 || regions > manifest::MAX_REGIONS {
        return wrong("grid", format!("1 to {} regions", manifest::MAX_REGIONS), format!("{grid} × {grid}"));
    }
    if side == 0 || side > Vision::MAX_SIDE || !(side as usize).is_multiple_of(32 * grid) {
        let expected = format!("a multiple of 32 × grid = {}, at most {}", 32 * grid, Vision::MAX_SIDE);
        return wrong("side", expected, side.to_string());
    }
    Ok(())
}

/// Writes the folder of a vision stage: EfficientNet-Lite0 from the published checkpoint's `weights`, input `side` pixels
/// (a multiple of 32 · `grid`), regions on a `grid × grid` grid. `golden` are recorded inputs and outputs.
pub fn write_vision(weights: &Weights, side: u32, grid: usize, golden: &[GoldenTensor], out: &Path) -> Result<()> {
    check_vision(side, grid)?;
    let mut writer = FolderWriter::create(out)?;
    let graph = build(weights, side as usize, grid)?;
    let graph = writer.add_graph(BuiltGraph::new(graph, FORM, VISION_GRAPH.to_owned(), u64::MAX)?)?;
    writer.add(GOLDEN, &golden_file(golden)?)?;
    let description = VisionManifest {
        format: manifest::Format::current(manifest::VISION_FORMAT),
        vision: describe(side, grid, stage_of(&[graph])),
        golden: GOLDEN.to_owned(),
        files: writer.files().clone(),
    };
    writer.describe(manifest::VISION, &description)?;
    writer.finish()
}

/// `pixels` u8 `[batch, side, side, 3]` → `features` f32 `[batch, grid², 512]`.
fn build(weights: &Weights, side: usize, grid: usize) -> Result<Graph> {
    let mut graph = Graph::new("vision", FORM);
    let g = &mut graph;
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
    let mut pooled = Vec::new();
    for (number, block) in efficientnet::blocks().into_iter().enumerate() {
        let input = x.clone();
        for (name, norm, layer) in &block.layers {
            (x, size) = convolution(g, weights, (&x, size), name, norm, *layer)?;
        }
        if block.residual {
            x = g.node("Add", &[&input, &x], vec![]);
        }
        if efficientnet::LAST_OF_RESOLUTION.iter().any(|(last, _)| *last == number) {
            let cell = (size / grid) as i64;
            let attributes = vec![
                ("kernel_shape", Attribute::Ints(vec![cell, cell])),
                ("strides", Attribute::Ints(vec![cell, cell])),
            ];
            pooled.push(if cell == 1 { x.clone() } else { g.node("AveragePool", &[&x], attributes) });
        }
    }
    let pooled: Vec<&str> = pooled.iter().map(String::as_str).collect();
    let all = g.concat(&pooled, 1);
    let features: usize = efficientnet::LAST_OF_RESOLUTION.iter().map(|(_, channels)| channels).sum();
    let all = g.reshape(&all, &[0, features as i64, (grid * grid) as i64]);
    let all = g.transpose(&all, &[0, 2, 1]);
    g.output(&all, "features", &["batch", &(grid * grid).to_string(), &features.to_string()]);
    Ok(graph)
}

/// A convolution with its batch norm folded in, and ReLU6 where it follows; returns the output and its side.
fn convolution(
    g: &mut Graph,
    weights: &Weights,
    (x, size): (&str, usize),
    name: &str,
    norm: &str,
    layer: Convolution,
) -> Result<(String, usize)> {
    let n = layer.outputs;
    let of_norm = |part: &str| Ok::<_, crate::Error>(&weights.get(&format!("{norm}.{part}"), &[n])?.data);
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
