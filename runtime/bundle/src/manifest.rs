//! `manifest.json`, format version 1, and the folders that it describes. The schema is documented in `BUNDLE.md`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Architecture, Error, FileRecord, Result};

/// File name of the manifest in a bundle's folder.
pub const MANIFEST: &str = "manifest.json";
/// File name of the description of a vision stage that stands alone.
pub const VISION: &str = "vision.json";
/// The format name that a bundle's manifest carries.
pub const BUNDLE_FORMAT: &str = "mmnas-bundle";
/// The format name that a vision stage's description carries.
pub const VISION_FORMAT: &str = "mmnas-vision";
/// The newest major version that this crate reads and the one it writes.
pub const MAJOR: u32 = 1;
/// The minor version that this crate writes. Readers accept any minor version and ignore fields that they do not know.
pub const MINOR: u32 = 0;

/// Name and version of a file format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// [`BUNDLE_FORMAT`] or [`VISION_FORMAT`].
    pub name: String,
    /// A reader refuses a major version that it does not know.
    pub major: u32,
    /// Additions that an older reader may ignore.
    pub minor: u32,
}

impl Format {
    /// The current version of the format `name`.
    pub fn current(name: &str) -> Format {
        Format { name: name.to_owned(), major: MAJOR, minor: MINOR }
    }
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskName {
    /// Visual question answering.
    Vqa,
    /// Image-text matching and retrieval.
    Itm,
    /// Visual grounding.
    Vgd,
}

impl std::fmt::Display for TaskName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TaskName::Vqa => "vqa",
            TaskName::Itm => "itm",
            TaskName::Vgd => "vgd",
        })
    }
}

/// Sizes of a network. All counts of elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// H, width of text and region states.
    pub hidden: usize,
    /// D, width of a region's features.
    pub feature: usize,
    /// Width of a word vector.
    pub embedding: usize,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Number of outputs of the head: answers for VQA, 1 for ITM and VGD.
    pub outputs: usize,
    /// Inner width of AttFlat's MLP (512 in the published models).
    pub attflat: usize,
    /// Width of an attention head (64 in the published models); H is a multiple of it.
    pub head: usize,
    /// Width of the shared relation layer (64 in the published models).
    pub relation: usize,
}

impl Dimensions {
    /// Number of attention heads, H / head width.
    pub fn heads(&self) -> usize {
        self.hidden / self.head.max(1)
    }
}

/// How text becomes ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSettings {
    /// File name of the Hugging Face tokenizers file.
    pub tokenizer: String,
    /// Longer texts are cut to this many tokens.
    pub max_tokens: usize,
}

/// Which operators a graph uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// ONNX Runtime's fused operators (`com.microsoft`) where they win.
    Ort,
    /// Standard operators only.
    Portable,
}

/// Number format of a graph's weights and states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integer weights, activations quantised while running.
    Int8,
}

/// One ONNX file of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Which operators it uses.
    pub variant: Variant,
    /// Its number format.
    pub precision: Precision,
    /// File name.
    pub file: String,
}

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
}

/// One dimension of a tensor: a number, or a name where it varies (the same name is the same size in one call).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Dim {
    /// Always this size.
    Fixed(usize),
    /// Varies from call to call.
    Named(String),
}

/// An input or output of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// The graph's name for it.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<Dim>,
    /// Whether the values are logarithms of what acts. Near zero a logarithm turns the rounding of its argument into any
    /// difference, so two such tensors are compared by their exponentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logarithm: bool,
}

impl TensorSpec {
    /// A spec; in `shape`, text that parses as a number is a fixed size.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: &[&str]) -> TensorSpec {
        let dim = |d: &&str| d.parse().map_or_else(|_| Dim::Named((*d).to_owned()), Dim::Fixed);
        TensorSpec { name: name.into(), dtype, shape: shape.iter().map(dim).collect(), logarithm: false }
    }
}

/// A stage of the network: the same function in one or more graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The files, any of which can run the stage.
    pub graphs: Vec<Graph>,
    /// What the stage reads.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
}

/// The stages that every network has. `fusion` reads outputs of the other two by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// `tokens`, `token_count` → text state.
    pub text: Stage,
    /// `features`, `boxes`, `region_count` → image state.
    pub image: Stage,
    /// text state, image state → head.
    pub fusion: Stage,
}

impl Stages {
    /// The stages with their names.
    pub fn named(&self) -> [(&'static str, &Stage); 3] {
        [("text", &self.text), ("image", &self.image), ("fusion", &self.fusion)]
    }
}

/// How an image is resized to the vision stage's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Stretched to the input size with a triangle filter, whose support grows with the reduction (no aliasing).
    Triangle,
}

/// Where the regions come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RegionSource {
    /// A grid over the image, row-major.
    Grid {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
}

impl RegionSource {
    /// Number of regions of an image.
    pub fn count(&self) -> usize {
        match self {
            RegionSource::Grid { rows, columns } => rows.saturating_mul(*columns),
        }
    }
}

/// The vision stage: pixels → features of regions. Its graph reads `pixels` (u8, batch × height × width × RGB) and
/// gives `features` (f32, batch × regions × feature).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vision {
    /// The stage's files, inputs and outputs.
    pub stage: Stage,
    /// Input width in pixels.
    pub width: u32,
    /// Input height in pixels.
    pub height: u32,
    /// How an image becomes that size.
    pub resize: Resize,
    /// Where the regions lie.
    pub regions: RegionSource,
    /// Width of a region's features.
    pub feature: usize,
    /// Which network it is, for people.
    pub backbone: String,
}

impl Vision {
    /// Largest side of the input that is accepted, in pixels.
    pub const MAX_SIDE: u32 = 4096;

    /// Checks the sizes; `file` names the description in errors.
    pub fn check(&self, file: &Path) -> Result<()> {
        for (field, side) in [("vision.width", self.width), ("vision.height", self.height)] {
            if side == 0 || side > Self::MAX_SIDE {
                return Err(Error::invalid(file, field, format!("1 to {} pixels", Self::MAX_SIDE), side));
            }
        }
        check_size(file, "vision.feature", self.feature)?;
        let count = self.regions.count();
        if count == 0 || count > MAX_REGIONS {
            return Err(Error::invalid(file, "vision.regions", format!("1 to {MAX_REGIONS} regions"), count));
        }
        Ok(())
    }
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of mmnas that wrote it.
    pub version: String,
    /// Commit of the source that it was built from, where it was built from a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Seed of the training run.
    pub seed: u64,
    /// Data sets: name → sha256 of the file that lists its samples.
    pub data: BTreeMap<String, String>,
    /// The resolved recipe of the training run.
    pub recipe: serde_json::Value,
}

/// A bundle's manifest, format version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format name and version.
    pub format: Format,
    /// What the network is for.
    pub task: TaskName,
    /// The derived architecture, in the published form of one epoch.
    pub architecture: Architecture,
    /// Sizes of the network.
    pub dimensions: Dimensions,
    /// Number of trained numbers in the network, the vision stage not counted.
    pub parameters: u64,
    /// How text becomes ids.
    pub text: TextSettings,
    /// The three stages.
    pub stages: Stages,
    /// The vision stage, where the bundle takes pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision: Option<Vision>,
    /// File of the answers in the order of the logits (VQA): a JSON list of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// File of recorded inputs and outputs; see [`crate::golden`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<String>,
    /// Figures measured when the bundle was written, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Where the bundle comes from.
    #[serde(default)]
    pub provenance: Provenance,
    /// Size and hash of every other file of the bundle.
    pub files: BTreeMap<String, FileRecord>,
}

/// Most regions of one image.
pub const MAX_REGIONS: usize = 10_000;

/// Any count of elements above this is taken for damage.
const MAX_SIZE: usize = 1 << 24;

pub(crate) fn check_size(file: &Path, field: &str, value: usize) -> Result<()> {
    if value == 0 || value > MAX_SIZE {
        return Err(Error::invalid(file, field, format!("1 to {MAX_SIZE}"), value));
    }
    Ok(())
}

impl Manifest {
    pub(crate) fn check(&self, file: &Path) -> Result<()> {
        let d = &self.dimensions;
        let sizes = [
            ("hidden", d.hidden),
            ("feature", d.feature),
            ("embedding", d.embedding),
            ("vocabulary", d.vocabulary),
            ("outputs", d.outputs),
            ("attflat", d.attflat),
            ("head", d.head),
            ("relation", d.relation),
        ];
        for (name, value) in sizes {
            check_size(file, &format!("dimensions.{name}"), value)?;
        }
        if !d.hidden.is_multiple_of(d.head) {
            return Err(Error::invalid(
                file,
                "dimensions.hidden",
                format!("a multiple of the head width {}", d.head),
                d.hidden,
            ));
        }
        check_size(file, "text.max_tokens", self.text.max_tokens)?;
        if let Some(vision) = &self.vision {
            vision.check(file)?;
            if vision.feature != d.feature {
                return Err(Error::invalid(
                    file,
                    "vision.feature",
                    format!("dimensions.feature, {}", d.feature),
                    vision.feature,
                ));
            }
        }
        if self.task == TaskName::Vqa && self.labels.is_none() {
            return Err(Error::invalid(file, "labels", "a file name (the task is vqa)", "none"));
        }
        Ok(())
    }

    /// The stages with their field names, the vision stage too.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &Stage)> {
        let [text, image, fusion] = [&self.stages.text, &self.stages.image, &self.stages.fusion];
        let named = [("stages.text", text), ("stages.image", image), ("stages.fusion", fusion)];
        named.into_iter().chain(self.vision.as_ref().map(|v| ("vision.stage", &v.stage)))
    }
}

/// `vision.json`: a vision stage that stands alone, to extract features with before any network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisionManifest {
    /// Format name and version.
    pub format: Format,
    /// The stage.
    pub vision: Vision,
    /// File of recorded inputs and outputs; see [`crate::golden`].
    pub golden: String,
    /// Size and hash of every other file of the folder.
    pub files: BTreeMap<String, FileRecord>,
}
