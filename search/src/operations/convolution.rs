//! Convolutions over a sequence.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::operations::kind::PlainKind;
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// A convolution over positions, H → H, that keeps their number.
#[derive(Debug)]
struct Conv1d {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
}

impl Conv1d {
    /// Draws Kaiming's normal weights (fan in, gain √2) and sets biases 0, as published.
    ///
    /// `kernel` is odd.
    fn new(vs: nn::Path<'_>, width: usize, kernel: usize, groups: usize) -> Conv1d {
        let inputs = width / groups;
        let shape = [width, inputs, kernel].map(|n| n as i64);
        let weight = vs.randn("weight", &shape, 0.0, (2.0 / (inputs * kernel) as f64).sqrt());
        Conv1d { weight, bias: vs.zeros("bias", &[width as i64]), groups: groups as i64 }
    }

    /// Convolves `x` `[batch, H, n]`, padded with zeros beyond its ends.
    fn forward(&self, x: &Tensor) -> Tensor {
        let padding = self.weight.size()[2] / 2;
        let kind = x.kind();
        x.conv1d(&self.weight.to_kind(kind), Some(&self.bias.to_kind(kind)), [1], [padding], [1], self.groups)
    }
}

/// Convolution over positions, standard or separable.
///
/// Standard: one convolution of all channels. Separable: one of each channel (depthwise), then one
/// of each position (pointwise). Padded positions count as zeros, as positions beyond the ends do,
/// so that a batch gives what single items give. The published code lets padded positions in.
#[derive(Debug)]
struct Convolution {
    layers: Vec<Conv1d>,
    norm: ResidualNorm,
}

pub(crate) const KINDS: [PlainKind; 8] = [
    PlainKind { name: "sep_conv_3", abbreviation: "SepConv 3", build: Convolution::build_separable::<3> },
    PlainKind { name: "sep_conv_5", abbreviation: "SepConv 5", build: Convolution::build_separable::<5> },
    PlainKind { name: "sep_conv_7", abbreviation: "SepConv 7", build: Convolution::build_separable::<7> },
    PlainKind { name: "sep_conv_11", abbreviation: "SepConv 11", build: Convolution::build_separable::<11> },
    PlainKind { name: "std_conv_3", abbreviation: "Conv 3", build: Convolution::build_standard::<3> },
    PlainKind { name: "std_conv_5", abbreviation: "Conv 5", build: Convolution::build_standard::<5> },
    PlainKind { name: "std_conv_7", abbreviation: "Conv 7", build: Convolution::build_standard::<7> },
    PlainKind { name: "std_conv_11", abbreviation: "Conv 11", build: Convolution::build_standard::<11> },
];

impl Convolution {
    fn build_separable<const KERNEL: usize>(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let h = d.hidden;
        let layers =
            vec![Conv1d::new(vs / "depthwise_conv", h, KERNEL, h), Conv1d::new(vs / "pointwise_conv", h, 1, 1)];
        Box::new(Convolution { layers, norm: ResidualNorm::new(vs, h) })
    }

    fn build_standard<const KERNEL: usize>(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let layers = vec![Conv1d::new(vs / "conv", d.hidden, KERNEL, 1)];
        Box::new(Convolution { layers, norm: ResidualNorm::new(vs, d.hidden) })
    }
}

impl OperationModule for Convolution {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let mut y = match context.mask {
            Some(mask) => x.masked_fill(&mask.view([x.size()[0], x.size()[1], 1]), 0.0),
            None => x.shallow_clone(),
        };
        y = context.precision.operand(&y.transpose(1, 2));
        for layer in &self.layers {
            y = layer.forward(&y);
        }
        self.norm.forward(x, &y.transpose(1, 2), context.dropout)
    }
}
