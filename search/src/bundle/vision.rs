//! The vision stage in libtorch.
//!
//! It is an independent computation that the exported graph is recorded against.

use std::path::Path;

use mmnas_bundle::golden;
use mmnas_export::efficientnet::{self, Convolution, EfficientNet, Level};
use mmnas_export::{VisionSettings, Weights, write_vision};
use tch::{Device, Kind, Tensor};

use crate::bundle::golden::golden_tensor;
use crate::error::Result;
use crate::seed::seed_torch;

/// Writes a vision stage over an EfficientNet-Lite from its PyTorch checkpoint.
///
/// Two seeded images and their features are recorded with it in the folder `out`. The features are
/// computed here with libtorch and the batch norms left unfolded.
///
/// # Errors
///
/// [`Error::Export`](crate::error::Error::Export) for settings that do not fit, or a checkpoint
/// that cannot be read or is not the network's. The same if the folder cannot be written.
pub fn export_vision(checkpoint: &Path, settings: &VisionSettings, seed: u64, out: &Path) -> Result<()> {
    settings.check()?;
    let weights = Weights::read_pytorch(checkpoint)?;
    seed_torch(seed, "golden pixels", 0);
    // Coarse blobs with fine noise: something for every resolution.
    let coarse = Tensor::rand([2, 3, 8, 8], (Kind::Float, Device::Cpu)) * 255.0;
    let side = i64::from(settings.side);
    let pixels = coarse.upsample_bilinear2d([side, side], false, None, None)
        + Tensor::randn([2, 3, side, side], (Kind::Float, Device::Cpu)) * 12.0;
    let pixels = pixels.clamp(0.0, 255.0).round().permute([0, 2, 3, 1]).to_kind(Kind::Uint8).contiguous();
    let backbone = backbone(&weights, &pixels, &settings.levels, settings.classifier)?;
    let mut recorded = vec![golden_tensor(golden::input("vision", "pixels"), &pixels)?];
    let features = match settings.grid.filter(|_| settings.proposals.is_none()) {
        Some(grid) => {
            let features = grid_features(&backbone.maps, grid as i64);
            if settings.boxes { with_boxes(&features, &cells(grid as i64)) } else { features }
        }
        None => {
            let corner = Tensor::rand([2, 5, 2], (Kind::Float, Device::Cpu)) * (0.7 * side as f64);
            let size = Tensor::rand([2, 5, 2], (Kind::Float, Device::Cpu)) * (0.3 * side as f64) + 1.0;
            let rois = Tensor::cat(&[&corner, &(&corner + size)], -1);
            recorded.push(golden_tensor(golden::input("vision", "rois"), &rois)?);
            let features = roi_features(&backbone.maps, &rois, settings.side);
            let corners = &rois / f64::from(settings.side);
            let features = if settings.boxes { with_boxes(&features, &corners) } else { features };
            if settings.classes > 0 {
                let scores = Tensor::rand([2, 5, settings.classes as i64], (Kind::Float, Device::Cpu));
                recorded.push(golden_tensor(golden::input("vision", "class_scores"), &scores)?);
                Tensor::cat(&[features, scores.sqrt()], -1)
            } else {
                features
            }
        }
    };
    recorded.push(golden_tensor(golden::output("vision", "features"), &features)?);
    if let Some(head) = &backbone.head {
        recorded.push(golden_tensor(golden::output("vision", "class_logits"), &class_logits(&weights, head)?)?);
    }
    Ok(write_vision(&weights, settings, &recorded, out)?)
}

/// Outputs of the backbone for some images.
struct Backbone {
    /// The maps of the levels, `[batch, channels, height, width]`.
    maps: Vec<Tensor>,
    /// Input of the classifier, if it is wanted.
    head: Option<Tensor>,
}

/// Runs the backbone on `pixels` u8 `[batch, side, side, 3]`.
fn backbone(weights: &Weights, pixels: &Tensor, levels: &[Level], classifier: bool) -> Result<Backbone> {
    let _guard = tch::no_grad_guard();
    let mut x = (pixels.permute([0, 3, 1, 2]).to_kind(Kind::Float) - f64::from(efficientnet::PIXEL_MEAN))
        / f64::from(efficientnet::PIXEL_SCALE);
    let (name, norm, layer) = efficientnet::stem();
    x = convolution(weights, &x, &name, &norm, layer)?;
    let mut maps = Vec::new();
    let net = EfficientNet::of(weights)?;
    for (number, block) in net.blocks().iter().enumerate() {
        let input = x.shallow_clone();
        for (name, norm, layer) in &block.layers {
            x = convolution(weights, &x, name, norm, *layer)?;
        }
        if block.residual {
            x += input;
        }
        if levels.iter().any(|&level| level != Level::Head && net.block_of(level) == number) {
            maps.push(x.shallow_clone());
        }
    }
    let mut head = None;
    if classifier || levels.contains(&Level::Head) {
        let (name, norm, layer) = net.classifier_convolution();
        x = convolution(weights, &x, &name, &norm, layer)?;
        if levels.contains(&Level::Head) {
            maps.push(x.shallow_clone());
        }
        head = classifier.then_some(x);
    }
    Ok(Backbone { maps, head })
}

/// Averages over the cells of a grid: f32 `[batch, grid², D]`.
fn grid_features(maps: &[Tensor], grid: i64) -> Tensor {
    let pooled: Vec<Tensor> = maps.iter().map(|map| map.adaptive_avg_pool2d([grid, grid])).collect();
    Tensor::cat(&pooled, 1).flatten(2, 3).transpose(1, 2).contiguous()
}

/// Corners of a grid's cells in parts of the image, `[1, grid², 4]`.
fn cells(grid: i64) -> Tensor {
    let float = (Kind::Float, Device::Cpu);
    let rows = Tensor::arange(grid, float).repeat_interleave_self_int(grid, 0, None);
    let columns = Tensor::arange(grid, float).repeat([grid]);
    let corners = Tensor::stack(&[&columns, &rows, &(&columns + 1.0), &(&rows + 1.0)], -1);
    (corners / grid as f64).unsqueeze(0)
}

/// Appends corners and areas of the boxes to `features` `[batch, regions, D]`.
///
/// `corners` are `[batch or 1, regions, 4]` in parts of the image.
fn with_boxes(features: &Tensor, corners: &Tensor) -> Tensor {
    let size = corners.narrow(-1, 2, 2) - corners.narrow(-1, 0, 2);
    let area = size.prod_dim_int(-1, true, Kind::Float);
    let boxes = Tensor::cat(&[corners, &area], -1);
    let boxes = boxes.expand([features.size()[0], features.size()[1], 5], false);
    Tensor::cat(&[features, &boxes], -1)
}

/// RoIAlign by its definition, box by box.
///
/// `rois` `[batch, regions, 4]` → f32 `[batch, regions, D]`. It is the mean of the map at as many
/// evenly spaced points as the box has cells. The value of each point comes from its four
/// neighbours.
fn roi_features(maps: &[Tensor], rois: &Tensor, side: u32) -> Tensor {
    let (batch, regions) = (rois.size()[0], rois.size()[1]);
    let mut rows = Vec::new();
    for (image, region) in (0..batch).flat_map(|image| (0..regions).map(move |region| (image, region))) {
        let corners: Vec<f64> = (0..4).map(|k| rois.double_value(&[image, region, k])).collect();
        let parts: Vec<Tensor> = maps
            .iter()
            .map(|map| {
                let (height, width) = (map.size()[2], map.size()[3]);
                let scale = width as f64 / f64::from(side);
                let points = |low: f64, high: f64, cells: i64| {
                    let (low, size) = (low * scale - 0.5, (high - low) * scale);
                    let count = size.ceil().max(1.0);
                    let at = |k: i64| low + (k as f64 + 0.5) * size / count;
                    // Between the outermost centres, and for grid_sample from −1 to 1.
                    let place = |v: f64| 2.0 * v.clamp(0.0, (cells - 1) as f64) / (cells - 1).max(1) as f64 - 1.0;
                    let places: Vec<f32> = (0..count as i64).map(|k| place(at(k)) as f32).collect();
                    Tensor::from_slice(&places)
                };
                let (xs, ys) = (points(corners[0], corners[2], width), points(corners[1], corners[3], height));
                let (rows, columns) = (ys.size()[0], xs.size()[0]);
                let grid = Tensor::stack(
                    &[xs.unsqueeze(0).expand([rows, columns], false), ys.unsqueeze(1).expand([rows, columns], false)],
                    -1,
                );
                // Bilinear, clamped at the border, corners at the outermost centres.
                let sampled = map.narrow(0, image, 1).grid_sampler(&grid.unsqueeze(0), 0, 1, true);
                sampled.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
            })
            .collect();
        rows.push(Tensor::cat(&parts, 1));
    }
    Tensor::cat(&rows, 0).view([batch, regions, -1])
}

/// Logits of ImageNet's classes, f32 `[batch, 1000]`.
fn class_logits(weights: &Weights, head: &Tensor) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let x = head.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
    let (classes, head) = (efficientnet::CLASSES, efficientnet::HEAD);
    let matrix = Tensor::from_slice(&weights.get("_fc.weight", &[classes, head])?.data);
    let bias = Tensor::from_slice(&weights.get("_fc.bias", &[classes])?.data);
    Ok(x.linear(&matrix.view([classes as i64, head as i64]), Some(&bias)))
}

fn convolution(weights: &Weights, x: &Tensor, name: &str, norm: &str, layer: Convolution) -> Result<Tensor> {
    let tensor = |name: String, shape: &[usize]| -> Result<Tensor> {
        let dims: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        Ok(Tensor::from_slice(&weights.get(&name, shape)?.data).view(dims.as_slice()))
    };
    let weight = tensor(format!("{name}.weight"), &layer.weight_shape())?;
    let part = |part: &str| tensor(format!("{norm}.{part}"), &[layer.outputs]);
    let pad = |size: i64| {
        let (before, after) = layer.padding(size as usize);
        [before as i64, after as i64]
    };
    let size = x.size();
    let padded = x.constant_pad_nd([pad(size[3]), pad(size[2])].concat());
    let (stride, groups) = (layer.stride as i64, if layer.depthwise { layer.inputs as i64 } else { 1 });
    let y = padded.conv2d::<Tensor>(&weight, None, [stride, stride], [0, 0], [1, 1], groups);
    let (gain, shift) = (Some(part("weight")?), Some(part("bias")?));
    let (mean, variance) = (Some(part("running_mean")?), Some(part("running_var")?));
    let y = y.batch_norm(gain, shift, mean, variance, false, 0.0, efficientnet::BATCH_NORM_EPSILON, false);
    Ok(if layer.activation { y.clamp(0.0, 6.0) } else { y })
}
