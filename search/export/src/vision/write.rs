//! Writes the folder of a vision stage.

use std::path::Path;

use mmnas_bundle::manifest::{self, Stage, Vision, VisionManifest};

use crate::error::Result;
use crate::folder_writer::FolderWriter;
use crate::golden::{GOLDEN, GoldenTensor, golden_file};
use crate::onnx::model::{BuiltGraph, stage_of};
use crate::vision::backbone::build;
use crate::vision::efficientnet::EfficientNet;
use crate::vision::regions::FORM;
use crate::vision::settings::{DETECTOR_GRAPH, Proposals, VisionSettings};
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
    let net = EfficientNet::of(weights)?;
    let graph = BuiltGraph::new(build(weights, net, settings)?, FORM, VISION_GRAPH.to_owned(), u64::MAX)?;
    let describe = |stage| settings.describe(net, stage);
    write_stage(graph, settings.regions.proposals.as_ref(), golden, describe, &|_| Ok(()), out)
}

/// Writes the folder of a vision stage of this graph, once `check` has seen the graph's file.
pub(super) fn write_stage(
    graph: BuiltGraph,
    proposals: Option<&Proposals>,
    golden: &[GoldenTensor],
    describe: impl FnOnce(Stage) -> Vision,
    check: &dyn Fn(&Path) -> Result<()>,
    out: &Path,
) -> Result<()> {
    let mut writer = FolderWriter::create(out)?;
    let graph = writer.add_graph(graph)?;
    check(&writer.path().join(VISION_GRAPH))?;
    if let Some(proposals) = proposals {
        writer.add(DETECTOR_GRAPH, &proposals.graph)?;
    }
    writer.add(GOLDEN, &golden_file(golden)?)?;
    let vision = describe(stage_of(&[graph]));
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
