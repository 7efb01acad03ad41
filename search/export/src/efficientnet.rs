//! EfficientNet-Lite0 (Tan and Le, 2019; the Lite variant without squeeze-and-excite, with ReLU6): its layers as data,
//! with the parameter names of the published PyTorch checkpoint.

/// Epsilon of its batch norms.
pub const BATCH_NORM_EPSILON: f64 = 1e-3;
/// Pixels 0 to 255 become `(pixel − 127) / 128`.
pub const PIXEL_MEAN: f32 = 127.0;
/// See [`PIXEL_MEAN`].
pub const PIXEL_SCALE: f32 = 128.0;
/// Channels of the stem.
pub const STEM: usize = 32;

/// Kernel, stride and padding follow TensorFlow's SAME rule; a batch norm follows every convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel side.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Whether every channel is its own group.
    pub depthwise: bool,
    /// Whether ReLU6 follows the batch norm.
    pub activation: bool,
}

impl Convolution {
    /// Shape of the weight, `[outputs, inputs of a group, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, if self.depthwise { 1 } else { self.inputs }, self.kernel, self.kernel]
    }

    /// SAME padding before and after, for an input side of `size`: the larger half comes after.
    pub fn padding(&self, size: usize) -> (usize, usize) {
        let total = ((size.div_ceil(self.stride) - 1) * self.stride + self.kernel).saturating_sub(size);
        (total / 2, total - total / 2)
    }
}

/// An inverted-residual block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its convolutions: name of the convolution, name of its batch norm, the layer.
    pub layers: Vec<(String, String, Convolution)>,
    /// Whether its input is added to its output.
    pub residual: bool,
    /// Output channels.
    pub outputs: usize,
}

/// Repeats, kernel, stride, expansion and output channels of the seven groups of blocks.
const GROUPS: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

/// A map of the network that features can be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The last block at a stride of 2.
    Stride2,
    /// The last block at a stride of 4.
    Stride4,
    /// The last block at a stride of 8.
    Stride8,
    /// The last block at a stride of 16.
    Stride16,
    /// The last block at a stride of 32.
    Stride32,
    /// The convolution before the classifier, at a stride of 32.
    Head,
}

impl Level {
    /// All of them, from the finest to the deepest.
    pub const ALL: [Level; 6] =
        [Level::Stride2, Level::Stride4, Level::Stride8, Level::Stride16, Level::Stride32, Level::Head];
    /// The last blocks of the five resolutions, 512 channels together: the default.
    pub const RESOLUTIONS: [Level; 5] =
        [Level::Stride2, Level::Stride4, Level::Stride8, Level::Stride16, Level::Stride32];

    /// The block whose output it is, from 0; the last block comes before the head.
    pub const fn block(self) -> usize {
        match self {
            Level::Stride2 => 0,
            Level::Stride4 => 2,
            Level::Stride8 => 4,
            Level::Stride16 => 10,
            Level::Stride32 | Level::Head => 15,
        }
    }

    /// Channels of the map.
    pub const fn channels(self) -> usize {
        match self {
            Level::Stride2 => 16,
            Level::Stride4 => 24,
            Level::Stride8 => 40,
            Level::Stride16 => 112,
            Level::Stride32 => 320,
            Level::Head => HEAD,
        }
    }

    /// Pixels of the input that a cell of the map stands for, in one direction.
    pub const fn stride(self) -> usize {
        match self {
            Level::Stride2 => 2,
            Level::Stride4 => 4,
            Level::Stride8 => 8,
            Level::Stride16 => 16,
            Level::Stride32 | Level::Head => 32,
        }
    }

    /// Its name: the stride, or `head`.
    pub fn name(self) -> String {
        if self == Level::Head { "head".to_owned() } else { self.stride().to_string() }
    }

    /// The level called `name`.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The stem's convolution.
pub fn stem() -> (String, String, Convolution) {
    let layer = Convolution { inputs: 3, outputs: STEM, kernel: 3, stride: 2, depthwise: false, activation: true };
    ("_conv_stem".into(), "_bn0".into(), layer)
}

/// Channels that the classifier reads.
pub const HEAD: usize = 1280;
/// ImageNet's classes.
pub const CLASSES: usize = 1000;

/// The convolution before the classifier, which is [`Level::Head`]; its average over the image goes through `_fc`.
pub fn classifier_convolution() -> (String, String, Convolution) {
    let layer = Convolution {
        inputs: Level::Stride32.channels(),
        outputs: HEAD,
        kernel: 1,
        stride: 1,
        depthwise: false,
        activation: true,
    };
    ("_conv_head".into(), "_bn1".into(), layer)
}

/// The sixteen blocks.
pub fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut inputs = STEM;
    for (repeats, kernel, first_stride, expansion, outputs) in GROUPS {
        for repeat in 0..repeats {
            let stride = if repeat == 0 { first_stride } else { 1 };
            let prefix = format!("_blocks.{}", blocks.len());
            let inner = inputs * expansion;
            let pointwise = |inputs, outputs, activation| Convolution {
                inputs,
                outputs,
                kernel: 1,
                stride: 1,
                depthwise: false,
                activation,
            };
            let mut layers = Vec::new();
            if expansion > 1 {
                layers.push((
                    format!("{prefix}._expand_conv"),
                    format!("{prefix}._bn0"),
                    pointwise(inputs, inner, true),
                ));
            }
            let depthwise =
                Convolution { inputs: inner, outputs: inner, kernel, stride, depthwise: true, activation: true };
            layers.push((format!("{prefix}._depthwise_conv"), format!("{prefix}._bn1"), depthwise));
            layers.push((
                format!("{prefix}._project_conv"),
                format!("{prefix}._bn2"),
                pointwise(inner, outputs, false),
            ));
            blocks.push(Block { layers, residual: stride == 1 && inputs == outputs, outputs });
            inputs = outputs;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolutions_end_where_they_say() {
        let blocks = blocks();
        assert_eq!(blocks.len(), 16);
        for level in Level::RESOLUTIONS {
            let block = level.block();
            assert_eq!(blocks[block].outputs, level.channels());
            let reductions = blocks[..=block].iter().flat_map(|b| &b.layers).filter(|(_, _, c)| c.stride == 2).count();
            assert_eq!(level.stride(), 2 << reductions);
            let next_reduces = blocks.get(block + 1).is_none_or(|b| b.layers.iter().any(|(_, _, c)| c.stride == 2));
            assert!(next_reduces, "block {block}");
        }
    }

    #[test]
    fn padding_is_tensorflows() {
        let layer =
            |kernel, stride| Convolution { inputs: 1, outputs: 1, kernel, stride, depthwise: false, activation: false };
        assert_eq!(layer(3, 2).padding(128), (0, 1));
        assert_eq!(layer(5, 2).padding(32), (1, 2));
        assert_eq!(layer(5, 1).padding(8), (2, 2));
        assert_eq!(layer(1, 1).padding(8), (0, 0));
    }
}
