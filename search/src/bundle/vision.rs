//! The vision stage in libtorch.
//!
//! It is an independent computation that the exported graph is recorded against.

use std::path::Path;

use mmnas_bundle::golden;
use mmnas_export::efficientnet::{self, Convolution, EfficientNet, Level};
use mmnas_export::{VisionSettings, Weights, write_vision};
use tch::{Device, Kind, Tensor};

use crate::bundle::golden::golden_tensor;
use crate::bundle::region_features::drawn_regions;
use crate::error::Result;
use crate::nn::tensors::TensorMap;
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
    let side = i64::from(settings.side);
    let pixels = golden_pixels((2, side, side), seed);
    let backbone = backbone(&weights, &pixels, &settings.levels, settings.classifier)?;
    let mut inputs = TensorMap::from([("pixels".to_owned(), pixels)]);
    let features = drawn_regions(&backbone.maps, (side, side), &settings.regions, &mut inputs);
    let record = |(name, input): (&String, &Tensor)| golden_tensor(golden::input("vision", name), input);
    let mut recorded = inputs.iter().map(record).collect::<Result<Vec<_>>>()?;
    recorded.push(golden_tensor(golden::output("vision", "features"), &features)?);
    if let Some(head) = &backbone.head {
        recorded.push(golden_tensor(golden::output("vision", "class_logits"), &class_logits(&weights, head)?)?);
    }
    Ok(write_vision(&weights, settings, &recorded, out)?)
}

/// Seeded images u8 `[images, height, width, 3]`: coarse blobs with fine noise, something for every resolution.
pub(super) fn golden_pixels((images, height, width): (i64, i64, i64), seed: u64) -> Tensor {
    seed_torch(seed, "golden pixels", 0);
    let coarse = Tensor::rand([images, 3, 8, 8], (Kind::Float, Device::Cpu)) * 255.0;
    let pixels = coarse.upsample_bilinear2d([height, width], false, None, None)
        + Tensor::randn([images, 3, height, width], (Kind::Float, Device::Cpu)) * 12.0;
    pixels.clamp(0.0, 255.0).round().permute([0, 2, 3, 1]).to_kind(Kind::Uint8).contiguous()
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
