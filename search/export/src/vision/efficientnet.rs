//! EfficientNet-Lite0 to -Lite4 as data (Tan and Le, 2019).
//!
//! The Lite variants have no squeeze-and-excite, and ReLU6. Names are those of the published PyTorch checkpoints.

use crate::error::Result;
use crate::weights::Weights;

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

    /// SAME padding before and after, for an input side of `size`.
    ///
    /// The larger half comes after.
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

/// Seven groups of blocks: repeats, kernel, stride of the first, expansion, output channels.
type Groups = [(usize, usize, usize, usize, usize); 7];

/// Those of Lite0.
const GROUPS: Groups = [
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
    /// The last blocks of the five resolutions, 512 channels of Lite0 together: the default.
    pub const RESOLUTIONS: [Level; 5] =
        [Level::Stride2, Level::Stride4, Level::Stride8, Level::Stride16, Level::Stride32];

    /// The group of blocks whose last one's output it is, from 0.
    ///
    /// The last comes before the head.
    const fn group(self) -> usize {
        match self {
            Level::Stride2 => 0,
            Level::Stride4 => 1,
            Level::Stride8 => 2,
            Level::Stride16 => 4,
            Level::Stride32 | Level::Head => 6,
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

/// One of the family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EfficientNet {
    name: &'static str,
    /// Factor of Lite0's channels.
    ///
    /// The channels of the stem and of the convolution before the classifier are the same in all, and so are the
    /// repeats of the first and the last group.
    width: f64,
    /// Factor of Lite0's repeats.
    depth: f64,
}

impl EfficientNet {
    /// The family, the smallest first.
    pub const ALL: [EfficientNet; 5] = [
        EfficientNet { name: "EfficientNet-Lite0", width: 1.0, depth: 1.0 },
        EfficientNet { name: "EfficientNet-Lite1", width: 1.0, depth: 1.1 },
        EfficientNet { name: "EfficientNet-Lite2", width: 1.1, depth: 1.2 },
        EfficientNet { name: "EfficientNet-Lite3", width: 1.2, depth: 1.4 },
        EfficientNet { name: "EfficientNet-Lite4", width: 1.4, depth: 1.8 },
    ];

    /// The one that a checkpoint holds, told from the shapes of its weights.
    ///
    /// # Errors
    /// Where it is none of them: what one of as many blocks, or Lite0, misses in it.
    pub fn of(weights: &Weights) -> Result<EfficientNet> {
        let deep = |net: &EfficientNet| {
            let blocks = net.blocks().len();
            let has = |block: usize| weights.has(&format!("_blocks.{block}._depthwise_conv.weight"));
            has(blocks - 1) && !has(blocks)
        };
        // Two have as many blocks: the one that more of the weights fit.
        let fitting =
            |net: &EfficientNet| net.convolutions().filter(|(name, shape)| weights.get(name, shape).is_ok()).count();
        let nearest = EfficientNet::ALL.into_iter().filter(deep).max_by_key(fitting).unwrap_or(EfficientNet::ALL[0]);
        for (name, shape) in nearest.convolutions() {
            weights.get(&name, &shape)?;
        }
        Ok(nearest)
    }

    /// Names and shapes of the weights of its blocks' convolutions.
    fn convolutions(&self) -> impl Iterator<Item = (String, [usize; 4])> {
        let layers = self.blocks().into_iter().flat_map(|block| block.layers);
        layers.map(|(name, _, layer)| (format!("{name}.weight"), layer.weight_shape()))
    }

    /// `EfficientNet-Lite0`, say.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn groups(&self) -> Groups {
        let mut groups = GROUPS;
        for (number, (repeats, .., outputs)) in groups.iter_mut().enumerate() {
            if (1..6).contains(&number) {
                *repeats = (*repeats as f64 * self.depth).ceil() as usize;
            }
            // To the nearest multiple of 8, but never below nine tenths.
            let exact = *outputs as f64 * self.width;
            let near = (exact + 4.0) as usize / 8 * 8;
            *outputs = if (near as f64) < 0.9 * exact { near + 8 } else { near };
        }
        groups
    }

    /// The block whose output the level is, from 0.
    ///
    /// The last block comes before the head.
    pub fn block_of(&self, level: Level) -> usize {
        self.groups().iter().take(level.group() + 1).map(|(repeats, ..)| repeats).sum::<usize>() - 1
    }

    /// Channels of the level's map.
    pub fn channels(&self, level: Level) -> usize {
        if level == Level::Head { HEAD } else { self.groups()[level.group()].4 }
    }

    /// The convolution before the classifier, which is [`Level::Head`].
    ///
    /// Its average over the image goes through `_fc`.
    pub fn classifier_convolution(&self) -> (String, String, Convolution) {
        let layer = Convolution {
            inputs: self.channels(Level::Stride32),
            outputs: HEAD,
            kernel: 1,
            stride: 1,
            depthwise: false,
            activation: true,
        };
        ("_conv_head".into(), "_bn1".into(), layer)
    }

    /// The blocks, sixteen in Lite0.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut inputs = STEM;
        for (repeats, kernel, first_stride, expansion, outputs) in self.groups() {
            for repeat in 0..repeats {
                let stride = if repeat == 0 { first_stride } else { 1 };
                let layers = layers(blocks.len(), (inputs, outputs), (kernel, stride), expansion);
                blocks.push(Block { layers, residual: stride == 1 && inputs == outputs, outputs });
                inputs = outputs;
            }
        }
        blocks
    }
}

/// A block's convolutions.
fn layers(
    block: usize,
    (inputs, outputs): (usize, usize),
    (kernel, stride): (usize, usize),
    expansion: usize,
) -> Vec<(String, String, Convolution)> {
    let prefix = format!("_blocks.{block}");
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
        layers.push((format!("{prefix}._expand_conv"), format!("{prefix}._bn0"), pointwise(inputs, inner, true)));
    }
    let depthwise = Convolution { inputs: inner, outputs: inner, kernel, stride, depthwise: true, activation: true };
    layers.push((format!("{prefix}._depthwise_conv"), format!("{prefix}._bn1"), depthwise));
    layers.push((format!("{prefix}._project_conv"), format!("{prefix}._bn2"), pointwise(inner, outputs, false)));
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Weight;

    #[test]
    fn the_resolutions_end_where_they_say() {
        for net in EfficientNet::ALL {
            let blocks = net.blocks();
            for level in Level::RESOLUTIONS {
                let block = net.block_of(level);
                assert_eq!(blocks[block].outputs, net.channels(level));
                let reduces = |block: &Block| block.layers.iter().any(|(_, _, c)| c.stride == 2);
                assert_eq!(level.stride(), 2 << blocks[..=block].iter().filter(|block| reduces(block)).count());
                assert!(blocks.get(block + 1).is_none_or(reduces), "{}, block {block}", net.name());
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_published_checkpoints() {
        let sizes = |net: EfficientNet| -> (usize, Vec<usize>) {
            (net.blocks().len(), Level::RESOLUTIONS.iter().map(|&level| net.channels(level)).collect())
        };
        assert_eq!(sizes(EfficientNet::ALL[0]), (16, vec![16, 24, 40, 112, 320]));
        assert_eq!(sizes(EfficientNet::ALL[1]), (21, vec![16, 24, 40, 112, 320]));
        assert_eq!(sizes(EfficientNet::ALL[2]), (21, vec![16, 24, 48, 120, 352]));
    }

    #[test]
    fn a_checkpoint_tells_which_it_is() {
        let weights = |net: EfficientNet| {
            let mut weights = Weights::default();
            for (name, shape) in net.convolutions() {
                weights.insert(name, Weight::new(&shape, vec![0.0; shape.iter().product()]));
            }
            weights
        };
        for net in EfficientNet::ALL {
            assert_eq!(EfficientNet::of(&weights(net)).unwrap(), net);
        }
        for block in [3, 20] {
            let name = format!("_blocks.{block}._depthwise_conv.weight");
            let mut damaged = weights(EfficientNet::ALL[2]);
            damaged.insert(name.clone(), Weight::new(&[9, 1, 5, 5], vec![0.0; 225]));
            let error = EfficientNet::of(&damaged).unwrap_err().to_string();
            assert!(error.contains(&name) && error.contains("[9, 1, 5, 5]"), "{error}");
        }
        let error = EfficientNet::of(&Weights::default()).unwrap_err().to_string();
        assert!(error.contains("_blocks.0._depthwise_conv.weight"), "{error}");
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
