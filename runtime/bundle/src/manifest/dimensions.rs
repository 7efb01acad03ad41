//! Sizes of a network.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::manifest::limits::check_size;
use crate::manifest::task_name::TaskName;

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
    /// Width of an attention head (64 in the published models).
    ///
    /// H is a multiple of it.
    pub head: usize,
    /// Width of the shared relation layer (64 in the published models).
    pub relation: usize,
    /// Width of the joint embedding of texts and images, if there is one (ITM).
    ///
    /// The network then has such a head beside the published one. See [`Stages::text`](super::Stages::text) and
    /// [`Stages::image`](super::Stages::image).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<usize>,
    /// Whether the image's joint embedding reads the features too, beside the regions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joint_features: bool,
    /// Width of the linear part of the joint embedding; less than `joint`.
    ///
    /// It is the first numbers of the embedding: of the words of a text and of the features of an image by area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint_linear: Option<usize>,
    /// Width of the linear embeddings of texts and regions, if any (VGD).
    ///
    /// Their products count in the regions' scores. See [`Stages::text`](super::Stages::text) and
    /// [`Stages::image`](super::Stages::image).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_joint: Option<usize>,
}

impl Dimensions {
    /// Number of attention heads, H / head width.
    pub fn heads(&self) -> usize {
        self.hidden / self.head.max(1)
    }

    /// Checks the sizes against each other and the task; `file` names the manifest in errors.
    pub(super) fn check(&self, task: TaskName, file: &Path) -> Result<()> {
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
        for (name, value) in [("joint", d.joint), ("region_joint", d.region_joint)] {
            value.map_or(Ok(()), |value| check_size(file, &format!("dimensions.{name}"), value))?;
        }
        if let Some(linear) = d.joint_linear {
            check_size(file, "dimensions.joint_linear", linear)?;
            if d.joint.is_none_or(|joint| joint <= linear) {
                let found = format!("{linear}, with joint {:?}", d.joint);
                return Err(Error::invalid(file, "dimensions.joint_linear", "less than dimensions.joint", found));
            }
        }
        if d.region_joint.is_some() && (task != TaskName::Vgd || d.joint.is_some()) {
            let found = format!("{}, with joint {:?}", task, d.joint);
            return Err(Error::invalid(file, "dimensions.region_joint", "task vgd without dimensions.joint", found));
        }
        Ok(())
    }
}
