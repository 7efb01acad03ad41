//! The vision stage in libtorch: an independent computation that the exported graph is recorded against.

use std::path::Path;

use mmnas_bundle::golden;
use mmnas_export::efficientnet::{self, Convolution};
use mmnas_export::{Weights, check_vision, write_vision};
use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::recorded::golden_tensor;
use crate::seed::seed_torch;

/// Writes the folder of a vision stage over EfficientNet-Lite0 from its PyTorch checkpoint: square input of `side`
/// pixels, features of a `grid × grid` grid. Two seeded images and their features, computed here with libtorch and the
/// batch norms left unfolded, are recorded with it.
pub fn export_vision(checkpoint: &Path, side: u32, grid: usize, seed: u64, out: &Path) -> Result<()> {
    check_vision(side, grid)?;
    let weights = Weights::read_pytorch(checkpoint)?;
    seed_torch(seed, "golden pixels", 0);
    // Coarse blobs with fine noise: something for every resolution.
    let coarse = Tensor::rand([2, 3, 8, 8], (Kind::Float, Device::Cpu)) * 255.0;
    let side = i64::from(side);
    let pixels = coarse.upsample_bilinear2d([side, side], false, None, None)
        + Tensor::randn([2, 3, side, side], (Kind::Float, Device::Cpu)) * 12.0;
    let pixels = pixels.clamp(0.0, 255.0).round().permute([0, 2, 3, 1]).to_kind(Kind::Uint8).contiguous();
    let features = features(&weights, &pixels, grid)?;
    let recorded = [
        golden_tensor(golden::input("vision", "pixels"), &pixels)?,
        golden_tensor(golden::output("vision", "features"), &features)?,
    ];
    Ok(write_vision(&weights, side as u32, grid, &recorded, out)?)
}

/// Features of `pixels` u8 `[batch, side, side, 3]` → f32 `[batch, grid², 512]`.
pub fn features(weights: &Weights, pixels: &Tensor, grid: usize) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let grid = grid as i64;
    let mut x = (pixels.permute([0, 3, 1, 2]).to_kind(Kind::Float) - f64::from(efficientnet::PIXEL_MEAN))
        / f64::from(efficientnet::PIXEL_SCALE);
    let (name, norm, layer) = efficientnet::stem();
    x = convolution(weights, &x, &name, &norm, layer)?;
    let mut pooled = Vec::new();
    for (number, block) in efficientnet::blocks().iter().enumerate() {
        let input = x.shallow_clone();
        for (name, norm, layer) in &block.layers {
            x = convolution(weights, &x, name, norm, *layer)?;
        }
        if block.residual {
            x += input;
        }
        if efficientnet::LAST_OF_RESOLUTION.iter().any(|(last, _)| *last == number) {
            pooled.push(x.adaptive_avg_pool2d([grid, grid]));
        }
    }
    Ok(Tensor::cat(&pooled, 1).flatten(2, 3).transpose(1, 2).contiguous())
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
