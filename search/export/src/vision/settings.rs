//! What a vision stage is to be.

use mmnas_bundle::manifest::{self, Detector, Grid, RegionSource, Resize, Stage, Vision};

use crate::error::Result;
use crate::onnx::proto::interface;
use crate::vision::efficientnet::{EfficientNet, Level};

/// File of a detector's graph.
pub(crate) const DETECTOR_GRAPH: &str = "detector.onnx";

/// What a vision stage over an EfficientNet-Lite is to be.
#[derive(Debug, Clone)]
pub struct VisionSettings {
    /// Side of the square input in pixels.
    ///
    /// A multiple of the deepest level's stride and, without a detector, of that stride · the grid's side.
    pub side: u32,
    /// The maps that a region's features are averages of.
    ///
    /// Each stands once, from the finest to the deepest. Layers beyond the deepest are left out.
    pub levels: Vec<Level>,
    /// Whether the backbone's classifier is kept: `class_logits` over ImageNet's 1,000 classes, beside the features.
    pub classifier: bool,
    /// Where the regions lie, and what their features have beside the averages.
    pub regions: RegionSettings,
}

/// The regions of a vision stage.
#[derive(Debug, Clone, Default)]
pub struct RegionSettings {
    /// Whether a region's features end with those of its box ([`BOX_FEATURES`]).
    ///
    /// Relations between regions know distances but no directions.
    pub boxes: bool,
    /// Number of the detector's classes whose scores end a region's features.
    ///
    /// 0 means none. What a thing is called is what words are about. The features are the scores' square roots, which
    /// tell small scores apart; of a grid's cell all are 0.
    pub classes: usize,
    /// Rows and columns of the grid whose cells are regions.
    ///
    /// None only where there is a detector.
    pub grid: Option<usize>,
    /// Whose boxes are regions.
    pub proposals: Option<Proposals>,
}

/// Number of features of a box.
///
/// Left, top, right, bottom and area in parts of the image's width, height and area.
pub const BOX_FEATURES: usize = 5;

/// Most classes of a detector whose scores can be features.
const MAX_CLASSES: usize = 4096;

/// A detector for a vision stage.
#[derive(Debug, Clone)]
pub struct Proposals {
    /// The detector's graph, an ONNX file.
    pub graph: Vec<u8>,
    /// How it is fed and read; the name of its file is the stage's affair.
    pub detector: Detector,
    /// Boxes at most.
    pub count: usize,
}

impl Proposals {
    /// Checks that the graph has what the contract says that it reads and gives.
    fn check(&self) -> Result<()> {
        let wrong = |field: &str, expected: String, found: String| {
            Err(mmnas_bundle::Error::invalid("vision stage", format!("detector{field}"), expected, found).into())
        };
        let Some((inputs, outputs)) = interface(&self.graph) else {
            return wrong("", "an ONNX file".to_owned(), format!("{} bytes that are none", self.graph.len()));
        };
        let stage = self.detector.stage();
        for (what, specs, names) in [("inputs", &stage.inputs, inputs), ("outputs", &stage.outputs, outputs)] {
            if let Some(spec) = specs.iter().find(|spec| !names.contains(&spec.name)) {
                let found = format!("none of that name in {}", names.join(", "));
                return wrong(&format!(".{what}.{}", spec.name), "a tensor as the contract says".to_owned(), found);
            }
        }
        Ok(())
    }
}

impl RegionSettings {
    /// Rows and columns of the grid where its cells are all regions, so that no boxes are read.
    pub fn cells(&self) -> Option<usize> {
        self.grid.filter(|_| self.proposals.is_none())
    }

    /// Width of a region's features over maps of so many channels.
    pub fn feature(&self, channels: usize) -> usize {
        channels + if self.boxes { BOX_FEATURES } else { 0 } + self.classes
    }

    /// Checks the sizes and the detector's file: at most [`manifest::MAX_REGIONS`] regions.
    pub(super) fn check(&self) -> Result<()> {
        let cells = self.grid.map_or(0, |grid| grid.saturating_mul(grid));
        let regions = cells.saturating_add(self.proposals.as_ref().map_or(0, |proposals| proposals.count));
        if regions == 0 || regions > manifest::MAX_REGIONS || self.grid == Some(0) {
            // Whose number is wrong: the cells' where there are no boxes, or where they alone are too many.
            let of_grid = self.proposals.is_none() || self.grid == Some(0) || cells > manifest::MAX_REGIONS;
            let field = if of_grid { "grid" } else { "proposals" };
            return wrong(field, format!("1 to {} regions", manifest::MAX_REGIONS), regions.to_string());
        }
        if self.classes > 0 && (self.proposals.is_none() || self.classes > MAX_CLASSES) {
            return wrong("classes", format!("0, or with a detector up to {MAX_CLASSES}"), self.classes.to_string());
        }
        self.proposals.as_ref().map_or(Ok(()), Proposals::check)
    }

    /// The description of a stage over `backbone`, whose maps have so many channels; its input is (width, height) large.
    pub(super) fn describe(
        &self,
        (width, height): (u32, u32),
        channels: usize,
        backbone: String,
        stage: Stage,
    ) -> Vision {
        let grid = self.grid.map(|side| Grid { rows: side, columns: side });
        let regions = match (&self.proposals, grid) {
            (Some(proposals), grid) => RegionSource::Proposals {
                count: proposals.count,
                grid,
                detector: Box::new(Detector { graph: DETECTOR_GRAPH.to_owned(), ..proposals.detector.clone() }),
            },
            (None, grid) => RegionSource::Grid(grid.unwrap_or(Grid { rows: 1, columns: 1 })),
        };
        let and = |added: bool, what: &'static str| if added { what } else { "" };
        let backbone =
            backbone + and(self.boxes, ", and boxes") + and(self.classes > 0, ", and the detector's classes");
        Vision { stage, width, height, resize: Resize::Triangle, regions, feature: self.feature(channels), backbone }
    }
}

/// An error about a field of a vision stage.
pub(super) fn wrong(field: &str, expected: String, found: String) -> Result<()> {
    Err(mmnas_bundle::Error::invalid("vision stage", field, expected, found).into())
}

impl VisionSettings {
    /// Checks the sizes and the detector's file: `side` up to [`Vision::MAX_SIDE`], at most [`manifest::MAX_REGIONS`] regions.
    ///
    /// # Errors
    /// A size, a level or a number of classes out of range; a file that is no such detector.
    pub fn check(&self) -> Result<()> {
        let deepest = match self.levels.last() {
            Some(level) if self.levels.is_sorted_by(|a, b| a < b) => level.stride(),
            _ => {
                let found: Vec<String> = self.levels.iter().map(|level| level.name()).collect();
                let expected = "at least one, each once, from the finest to the deepest".to_owned();
                return wrong("levels", expected, found.join(", "));
            }
        };
        self.regions.check()?;
        let step = deepest * self.regions.cells().unwrap_or(1);
        if self.side == 0 || self.side > Vision::MAX_SIDE || !(self.side as usize).is_multiple_of(step) {
            let of_grid = if step == deepest { String::new() } else { format!(" × grid = {step}") };
            let expected = format!("a multiple of {deepest}{of_grid}, at most {}", Vision::MAX_SIDE);
            return wrong("side", expected, self.side.to_string());
        }
        Ok(())
    }

    pub(super) fn describe(&self, net: EfficientNet, stage: Stage) -> Vision {
        let levels: Vec<String> = self.levels.iter().map(|level| level.name()).collect();
        let backbone = format!("{}, levels {}", net.name(), levels.join(", "));
        self.regions.describe((self.side, self.side), self.channels(net), backbone, stage)
    }

    /// Channels of all maps over `net`.
    fn channels(&self, net: EfficientNet) -> usize {
        self.levels.iter().map(|&level| net.channels(level)).sum()
    }

    /// Width of a region's features over `net`.
    pub fn features(&self, net: EfficientNet) -> usize {
        self.regions.feature(self.channels(net))
    }
}
