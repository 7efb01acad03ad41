//! Sizes of a network.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::manifest::limits::check_size;
use crate::manifest::task_name::TaskName;

/// Sizes of a network. All counts of elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DimensionsJson", into = "DimensionsJson")]
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
    /// Width of an attention head (64 in the published models).
    ///
    /// H is a multiple of it.
    pub head: usize,
    /// Width of the shared relation layer (64 in the published models).
    pub relation: usize,
    /// What the network embeds texts and images by, besides its published head.
    ///
    /// In JSON these are up to four keys: `joint`, `joint_features`, `joint_linear`, or `region_joint`.
    pub embeddings: Option<EmbeddingDimensions>,
}

/// Sizes of the embeddings that a network has besides its published head.
///
/// See [`Stages::text`](super::Stages::text) and [`Stages::image`](super::Stages::image).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingDimensions {
    /// A dual encoder: one vector a text and one an image, of length 1 (ITM).
    DualEncoder {
        /// Width of each vector, the linear part among it.
        width: usize,
        /// Whether the image's vector reads the features too, beside the regions.
        features: bool,
        /// Width of the linear part; less than `width`.
        ///
        /// It is the first numbers of the vectors: of the words of a text, and of the features of an image by area.
        linear: Option<usize>,
    },
    /// Linear maps: one vector a text and one a region (VGD).
    ///
    /// Their products count in the regions' scores.
    Regions {
        /// Width of each vector.
        width: usize,
    },
}

impl EmbeddingDimensions {
    /// A dual encoder without features and without a linear part.
    pub const fn dual_encoder(width: usize) -> EmbeddingDimensions {
        EmbeddingDimensions::DualEncoder { width, features: false, linear: None }
    }

    /// Width of a vector.
    pub fn width(self) -> usize {
        match self {
            EmbeddingDimensions::DualEncoder { width, .. } | EmbeddingDimensions::Regions { width } => width,
        }
    }

    /// Width of what linear maps give, if there are any.
    pub fn linear(self) -> Option<usize> {
        match self {
            EmbeddingDimensions::DualEncoder { linear, .. } => linear,
            EmbeddingDimensions::Regions { width } => Some(width),
        }
    }
}

/// [`Dimensions`] as they stand in JSON.
#[derive(Serialize, Deserialize)]
struct DimensionsJson {
    hidden: usize,
    feature: usize,
    embedding: usize,
    vocabulary: usize,
    outputs: usize,
    attflat: usize,
    head: usize,
    relation: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joint: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    joint_features: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joint_linear: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region_joint: Option<usize>,
}

impl From<Dimensions> for DimensionsJson {
    fn from(d: Dimensions) -> DimensionsJson {
        let (joint, joint_features, joint_linear, region_joint) = match d.embeddings {
            None => (None, false, None, None),
            Some(EmbeddingDimensions::DualEncoder { width, features, linear }) => (Some(width), features, linear, None),
            Some(EmbeddingDimensions::Regions { width }) => (None, false, None, Some(width)),
        };
        let Dimensions { hidden, feature, embedding, vocabulary, outputs, attflat, head, relation, .. } = d;
        DimensionsJson {
            hidden,
            feature,
            embedding,
            vocabulary,
            outputs,
            attflat,
            head,
            relation,
            joint,
            joint_features,
            joint_linear,
            region_joint,
        }
    }
}

impl TryFrom<DimensionsJson> for Dimensions {
    type Error = String;

    fn try_from(d: DimensionsJson) -> std::result::Result<Dimensions, String> {
        let embeddings = match (d.joint, d.region_joint, d.joint_linear) {
            (Some(joint), Some(region), _) => {
                return Err(format!(
                    "dimensions.region_joint: expected task vgd without dimensions.joint, found {region} with joint {joint}"
                ));
            }
            (None, _, Some(linear)) => {
                return Err(format!(
                    "dimensions.joint_linear: expected less than dimensions.joint, found {linear} without joint"
                ));
            }
            (Some(width), None, linear) => {
                Some(EmbeddingDimensions::DualEncoder { width, features: d.joint_features, linear })
            }
            (None, Some(width), None) => Some(EmbeddingDimensions::Regions { width }),
            (None, None, None) => None,
        };
        let DimensionsJson { hidden, feature, embedding, vocabulary, outputs, attflat, head, relation, .. } = d;
        Ok(Dimensions { hidden, feature, embedding, vocabulary, outputs, attflat, head, relation, embeddings })
    }
}

impl Dimensions {
    /// Width of a dual encoder's vectors, if the network has one.
    pub fn dual_encoder(&self) -> Option<usize> {
        let embeddings = self.embeddings.filter(|e| matches!(e, EmbeddingDimensions::DualEncoder { .. }));
        embeddings.map(EmbeddingDimensions::width)
    }

    /// Number of attention heads, H / head width.
    pub fn heads(&self) -> usize {
        self.hidden / self.head.max(1)
    }

    /// Checks the sizes against each other and the task; `file` names the manifest in errors.
    pub(crate) fn check(&self, task: TaskName, file: &Path) -> Result<()> {
        let d = self;
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
        match d.embeddings {
            None => {}
            Some(EmbeddingDimensions::DualEncoder { width, linear, .. }) => {
                check_size(file, "dimensions.joint", width)?;
                linear.map_or(Ok(()), |linear| check_size(file, "dimensions.joint_linear", linear))?;
                if let Some(linear) = linear.filter(|linear| width <= *linear) {
                    let (field, found) = ("dimensions.joint_linear", format!("{linear}, with joint {width}"));
                    return Err(Error::invalid(file, field, "less than dimensions.joint", found));
                }
            }
            Some(EmbeddingDimensions::Regions { width }) => {
                check_size(file, "dimensions.region_joint", width)?;
                if task != TaskName::Vgd {
                    let (field, found) = ("dimensions.region_joint", format!("{width}, with task {task}"));
                    return Err(Error::invalid(file, field, "task vgd without dimensions.joint", found));
                }
            }
        }
        Ok(())
    }
}
