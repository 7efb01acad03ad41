//! The tasks.

use serde::{Deserialize, Serialize};

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
