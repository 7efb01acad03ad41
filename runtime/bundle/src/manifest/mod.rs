//! `manifest.json`, format version 1, and the folders that it describes.
//!
//! The schema is documented in `BUNDLE.md`.

pub(crate) mod detector;
pub(crate) mod dimensions;
pub(crate) mod form;
pub(crate) mod format;
pub(crate) mod limits;
pub(crate) mod measured;
pub(crate) mod stage;
pub(crate) mod task_name;
mod unique;
pub(crate) mod vision;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use detector::{Channels, Corners, Detector, DetectorInput, DetectorOutput, Fit, Layout};
pub use dimensions::{Dimensions, EmbeddingDimensions};
pub use form::{Form, Precision, Variant};
pub use format::parse as parse_format;
pub use format::{BUNDLE_FORMAT, Format, MAJOR, MANIFEST, MINOR, VISION, VISION_FORMAT};
pub use limits::MAX_REGIONS;
pub use measured::Measured;
pub use stage::{Dim, Dtype, Graph, Stage, TensorSpec};
pub use task_name::TaskName;
pub use vision::{Grid, RegionSource, Resize, Vision, VisionManifest};

use crate::error::{Error, Result};
use crate::files::file_record::FileRecord;
use crate::files::inside;
use crate::manifest::format::parse;
use crate::manifest::limits::check_size;
use crate::manifest::unique::unique_names;
use crate::network::architecture::Architecture;

/// How text becomes ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSettings {
    /// File name of the Hugging Face tokenizers file.
    pub tokenizer: String,
    /// Longer texts are cut to this many tokens.
    pub max_tokens: usize,
}

/// The stages that every network has.
///
/// `fusion` reads outputs of the other two by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// `tokens`, `token_count` → text state.
    ///
    /// With it come `text_attention`, AttFlat's weights of the words, and `text_embedding`, if there
    /// is one. With a dual encoder it has length 1; with linear embeddings of regions it has any
    /// length.
    pub text: Stage,
    /// `features`, `boxes`, `region_count` → image state.
    ///
    /// With a dual encoder `image_embedding` comes with it, of length 1. With linear embeddings of
    /// regions it is `region_embedding`, one per region.
    pub image: Stage,
    /// Text state, image state → head.
    ///
    /// For VQA and ITM with it `region_attention`, AttFlat's weights of the regions.
    pub fusion: Stage,
}

impl Stages {
    /// The stages with their names.
    pub fn named(&self) -> [(&'static str, &Stage); 3] {
        [("text", &self.text), ("image", &self.image), ("fusion", &self.fusion)]
    }
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of mmnas that wrote it.
    pub version: String,
    /// Commit of the source that it was built from, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Seed of the training run.
    pub seed: u64,
    /// Data sets: name → sha256 of the file that lists its samples.
    #[serde(deserialize_with = "unique_names")]
    pub data: BTreeMap<String, String>,
    /// The resolved recipe of the training run.
    pub recipe: serde_json::Value,
}

/// How probabilities of answers follow from the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerScores {
    /// Each by itself, the sigmoid of its logit: several answers may be right (published).
    #[default]
    Sigmoid,
    /// All together, their softmax: one answer is right.
    Softmax,
}

impl AnswerScores {
    /// Whether it is the published one.
    pub fn is_published(&self) -> bool {
        *self == AnswerScores::Sigmoid
    }
}

/// A bundle's manifest, format version 1.7.
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
    /// Number of numbers in the network's parameters, the vision stage not counted.
    pub parameters: u64,
    /// How text becomes ids.
    pub text: TextSettings,
    /// The three stages.
    pub stages: Stages,
    /// The whole network in one graph, for other engines.
    ///
    /// It reads what text and image stage read, and gives what fusion gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Stage>,
    /// `boxes` → the `relation_bias` of the image state, if it has one.
    ///
    /// So whoever stores image states need not store what is larger than all the rest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<Stage>,
    /// The vision stage, where the bundle takes pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision: Option<Vision>,
    /// Which features the network was trained on, if known.
    ///
    /// It stands here if the bundle has no vision stage of its own that says so; it is what
    /// [`FeatureStore::vision_sha256`](crate::FeatureStore::vision_sha256) says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features_sha256: Option<String>,
    /// Opset of the standard operators in the graphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opset: Option<u32>,
    /// File of the answers in the order of the logits (VQA).
    ///
    /// It is a JSON list of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// How the answers' probabilities follow from the logits (VQA).
    #[serde(default, skip_serializing_if = "AnswerScores::is_published")]
    pub answer_scores: AnswerScores,
    /// File of recorded inputs and outputs; see [`crate::golden`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<String>,
    /// Results measured before the bundle was written, by name.
    #[serde(default, deserialize_with = "unique_names")]
    pub metrics: BTreeMap<String, f64>,
    /// What each form of the graphs gave and took.
    ///
    /// It was measured on the machine that wrote the bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measured>,
    /// Licence of the weights, for example an SPDX expression, if stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the bundle comes from.
    #[serde(default)]
    pub provenance: Provenance,
    /// Size and hash of every other file of the bundle.
    #[serde(deserialize_with = "unique_names")]
    pub files: BTreeMap<String, FileRecord>,
}

impl Manifest {
    /// Parses and checks the content of a `manifest.json`, which `file` names in errors.
    ///
    /// Whether the files that it lists are there is [`Bundle::open`](crate::Bundle::open)'s question.
    ///
    /// # Errors
    /// Text that is no manifest of this major version; what [`Manifest::check`] refuses.
    pub fn from_json(text: &str, file: &Path) -> Result<Manifest> {
        let manifest: Manifest = parse(text, file, BUNDLE_FORMAT)?;
        manifest.check(file)?;
        Ok(manifest)
    }

    /// Checks what a manifest says against itself; `file` names it in errors.
    ///
    /// # Errors
    /// The first field that is out of range or does not fit another.
    pub fn check(&self, file: &Path) -> Result<()> {
        self.dimensions.check(self.task, file)?;
        check_size(file, "text.max_tokens", self.text.max_tokens)?;
        for (field, stage) in self.fields() {
            stage.check(file, field)?;
        }
        // A network runs with one form in all three stages.
        let forms = |stage: &Stage| stage.graphs.iter().map(Graph::form).collect::<std::collections::BTreeSet<_>>();
        let expected = forms(&self.stages.text);
        for (name, stage) in &self.stages.named()[1..] {
            let found = forms(stage);
            if found != expected {
                let names = |forms: &std::collections::BTreeSet<Form>| {
                    forms.iter().map(Form::to_string).collect::<Vec<_>>().join(", ")
                };
                let expected = format!("the forms of stages.text, {}", names(&expected));
                return Err(Error::invalid(file, format!("stages.{name}.graphs"), expected, names(&found)));
            }
        }
        for name in self.files.keys() {
            inside(Path::new(""), name, file, "files")?;
        }
        if let Some(vision) = &self.vision {
            vision.check(file)?;
            if vision.feature != self.dimensions.feature {
                return Err(Error::invalid(
                    file,
                    "vision.feature",
                    format!("dimensions.feature, {}", self.dimensions.feature),
                    vision.feature,
                ));
            }
        }
        if self.task == TaskName::Vqa && self.labels.is_none() {
            return Err(Error::invalid(file, "labels", "a file name (the task is vqa)", "none"));
        }
        Ok(())
    }

    /// The stages with their field names, the merged graph and the vision stage too.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &Stage)> {
        let [text, image, fusion] = [&self.stages.text, &self.stages.image, &self.stages.fusion];
        let named = [("stages.text", text), ("stages.image", image), ("stages.fusion", fusion)];
        let vision = self.vision.as_ref().map(|v| ("vision.stage", &v.stage));
        let merged = self.merged.as_ref().map(|merged| ("merged", merged));
        named.into_iter().chain(merged).chain(self.relation.as_ref().map(|stage| ("relation", stage))).chain(vision)
    }

    /// The graphs of all stages, of the merged graph and of the vision stage.
    pub fn all_graphs(&self) -> impl Iterator<Item = &Graph> {
        self.fields().flat_map(|(_, stage)| &stage.graphs)
    }

    /// The forms that the network has, which are those of each stage.
    pub fn forms(&self) -> Vec<Form> {
        Form::all().filter(|form| self.stages.text.graph(*form).is_some()).collect()
    }

    /// Size of a graph with its weights, in bytes.
    pub fn graph_bytes(&self, graph: &Graph) -> u64 {
        graph.files().filter_map(|file| self.files.get(file)).fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Size of the three stages' graphs of a form, in bytes.
    pub fn form_bytes(&self, form: Form) -> u64 {
        let graphs = self.stages.named().into_iter().filter_map(|(_, stage)| stage.graph(form));
        graphs.fold(0, |sum, graph| sum.saturating_add(self.graph_bytes(graph)))
    }
}
