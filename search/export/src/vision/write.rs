//! Writes the folder of a vision stage.

use std::path::Path;

use mmnas_bundle::manifest::{self, VisionManifest};

use crate::error::Result;
use crate::folder_writer::FolderWriter;
use crate::golden::{GOLDEN, GoldenTensor, golden_file};
use crate::onnx::model::{BuiltGraph, stage_of};
use crate::vision::backbone::{FORM, build};
use crate::vision::efficientnet::EfficientNet;
use crate::vision::settings::{DETECTOR_GRAPH, VisionSettings};
use crate::weights::Weights;

/// File of the vision graph, in its own folder and in bundles.
pub(crate) const VISION_GRAPH: &str = "vision.onnx";

/// Writes the folder of a vision stage.
///
/// Its backbone is the EfficientNet-Lite that the published checkpoint's `weights` are of. `golden` are recorded inputs
/// and outputs of its graph.
///
/// # Errors
/// Settings that [`VisionSettings::check`] refuses; weights of no EfficientNet-Lite; a folder that cannot be written.
pub fn write_vision(weights: &Weights, settings: &VisionSettings, golden: &[GoldenTensor], out: &Path) -> Result<()> {
    settings.check()?;
    let mut writer = FolderWriter::create(out)?;
    let net = EfficientNet::of(weights)?;
    let graph = build(weights, net, settings)?;
    let graph = writer.add_graph(BuiltGraph::new(graph, FORM, VISION_GRAPH.to_owned(), u64::MAX)?)?;
    if let Some(proposals) = &settings.proposals {
        writer.add(DETECTOR_GRAPH, &proposals.graph)?;
    }
    writer.add(GOLDEN, &golden_file(golden)?)?;
    let vision = settings.describe(net, stage_of(&[graph]));
    vision.check(&writer.path().join(manifest::VISION))?;
    let description = VisionManifest {
        format: manifest::Format::current(manifest::VISION_FORMAT),
        vision,
        golden: GOLDEN.to_owned(),
        files: writer.files().clone(),
    };
    writer.describe(manifest::VISION, &description)?;
    writer.finish()
}
