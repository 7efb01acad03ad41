//! The vision stage, in bundles and alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::file_record::FileRecord;
use crate::manifest::detector::Detector;
use crate::manifest::format::Format;
use crate::manifest::limits::{MAX_REGIONS, MAX_SIDE, check_size};
use crate::manifest::stage::{Graph, Stage};
use crate::manifest::unique::unique_names;

/// How an image is resized to the vision stage's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Stretched to the input size with a triangle filter.
    ///
    /// Its support grows with the reduction (no aliasing).
    Triangle,
}

/// A grid over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl Grid {
    /// Number of cells.
    pub fn count(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

/// Where the regions come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RegionSource {
    /// A grid over the image, row-major.
    Grid(Grid),
    /// The cells of a grid, if there is one, and then boxes of a detector.
    ///
    /// The box of the largest score comes first. An image where nothing is found has one region, the whole.
    Proposals {
        /// Boxes of the detector at most.
        count: usize,
        /// Cells that are regions too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grid: Option<Grid>,
        /// The detector.
        detector: Box<Detector>,
    },
    /// Boxes that the stage's own graph finds, each with its features, as bottom-up attention gives them (since 1.7).
    ///
    /// The box of the largest score comes first. Where none has [`RegionSource::Found::min_score`] the best is the one
    /// region; where the graph gives no box at all it is the whole image, whose features are 0.
    Found {
        /// Boxes at most.
        count: usize,
        /// Largest intersection over union of two boxes that are both kept, 0 to 1.
        max_iou: f32,
        /// Boxes of a smaller score are left out, 0 to 1.
        min_score: f32,
    },
}

impl RegionSource {
    /// Most regions of an image.
    pub fn count(&self) -> usize {
        match self {
            RegionSource::Grid(grid) => grid.count(),
            RegionSource::Proposals { count, grid, .. } => count.saturating_add(grid.map_or(0, |grid| grid.count())),
            RegionSource::Found { count, .. } => *count,
        }
    }

    /// Whether every image has the same regions, so that their number is known.
    pub fn is_grid(&self) -> bool {
        matches!(self, RegionSource::Grid(_))
    }

    /// The detector, where there is one.
    pub fn detector(&self) -> Option<&Detector> {
        match self {
            RegionSource::Grid(_) | RegionSource::Found { .. } => None,
            RegionSource::Proposals { detector, .. } => Some(detector),
        }
    }
}

/// The vision stage: pixels → features of regions.
///
/// Its graph reads `pixels` (u8, batch × height × width × RGB) and, where the regions are a detector's, `rois` (f32,
/// batch × regions × 4, corners in pixels of the graph's input), and, if it asks for them, `class_scores` (f32, batch ×
/// regions × classes: the detector's scores of its classes, 0 for a grid's cells); it gives `features` (f32, batch ×
/// regions × feature). Where it finds the regions itself it gives `boxes` (f32, batch × found × 4, corners in pixels of its
/// input) and `scores` (f32, batch × found) of what `features` are of. A backbone whose classifier was kept gives `class_logits` (f32, batch × classes) too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub const MAX_SIDE: u32 = MAX_SIDE;

    /// The files of the stage's graphs and of the detector.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let detector = self.regions.detector().map(|detector| detector.graph.as_str());
        self.stage.graphs.iter().flat_map(Graph::files).chain(detector)
    }

    /// Checks the sizes; `file` names the description in errors.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self, file: &Path) -> Result<()> {
        for (field, side) in [("vision.width", self.width), ("vision.height", self.height)] {
            if side == 0 || side > Self::MAX_SIDE {
                return Err(Error::invalid(file, field, format!("1 to {} pixels", Self::MAX_SIDE), side));
            }
        }
        check_size(file, "vision.feature", self.feature)?;
        self.stage.check(file, "vision.stage")?;
        if let Some(data) = self.stage.graphs.iter().find_map(|graph| graph.data.as_ref()) {
            let expected = "a graph that holds its weights itself";
            return Err(Error::invalid(file, "vision.stage.graphs.data", expected, format!("{data:?}")));
        }
        if let Some(detector) = self.regions.detector() {
            detector.check(file)?;
        }
        if let RegionSource::Found { max_iou, min_score, .. } = self.regions {
            for (field, share) in [("max_iou", max_iou), ("min_score", min_score)] {
                if !(0.0..=1.0).contains(&share) {
                    return Err(Error::invalid(file, format!("vision.regions.{field}"), "0 to 1", share));
                }
            }
        }
        let count = self.regions.count();
        if count == 0 || count > MAX_REGIONS {
            return Err(Error::invalid(file, "vision.regions", format!("1 to {MAX_REGIONS} regions"), count));
        }
        Ok(())
    }
}

/// `vision.json`: a vision stage that stands alone.
///
/// Features are extracted with it before any network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisionManifest {
    /// Format name and version.
    pub format: Format,
    /// The stage.
    pub vision: Vision,
    /// File of recorded inputs and outputs; see [`crate::golden`].
    pub golden: String,
    /// Size and hash of every other file of the folder.
    #[serde(deserialize_with = "unique_names")]
    pub files: BTreeMap<String, FileRecord>,
}
