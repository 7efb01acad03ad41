//! A vision stage without a network.

use std::path::Path;

use mmnas_bundle::manifest::{Graph, VISION, Vision};
use mmnas_bundle::{RegionFeatures, VisionBundle};

use crate::engine::limits::Watched;
use crate::engine::options::LoadOptions;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::{onnxruntime, stage_sources};
use crate::error::{Error, Result};
use crate::images::decode::decode_file;
use crate::vision::runner::{Pixels, Seen, VisionRunner, prepare};

/// A vision stage that stands alone: pixels → regions, before any network is trained.
///
/// Threads share it by reference.
#[derive(Debug)]
pub struct VisionStage {
    runner: VisionRunner,
    vision_sha256: String,
}

impl VisionStage {
    /// Loads the stage in `folder`, which `mmnas-search vision` wrote.
    ///
    /// # Errors
    /// A file that is missing, damaged or not what `vision.json` says; those of [`Model::load`](crate::Model::load).
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<VisionStage> {
        let bundle = VisionBundle::open(folder)?;
        let manifest = folder.join(VISION);
        stage_sources::check_vision(bundle.vision(), &manifest)?;
        // Reading checks the name, the length and the hash.
        let read = |graph: &Graph| {
            Ok(GraphFile {
                path: folder.join(&graph.file),
                content: Some(bundle.read(&graph.file)?.into()),
                data: None,
            })
        };
        let sessions = Sessions::new(options)?;
        let runner = VisionRunner::load(&sessions, bundle.vision(), &manifest, read)?;
        let vision_sha256 = bundle.graph_sha256()?;
        tracing::info!(
            ?folder,
            backbone = bundle.vision().backbone,
            provider = %sessions.provider(),
            identity = vision_sha256,
            onnxruntime = onnxruntime::told(),
            "vision stage loaded"
        );
        Ok(VisionStage { runner, vision_sha256 })
    }

    /// What the stage is.
    pub fn vision(&self) -> &Vision {
        self.runner.vision()
    }

    /// Which features it gives: see [`VisionBundle::graph_sha256`].
    pub fn sha256(&self) -> &str {
        &self.vision_sha256
    }

    /// The regions of an image file.
    ///
    /// # Errors
    /// A file that cannot be read or decoded; a failure of ONNX Runtime.
    pub fn regions(&self, image: &Path) -> Result<RegionFeatures> {
        Ok(self.seen(image)?.regions)
    }

    /// The logits of the backbone's classes for an image file.
    ///
    /// # Errors
    /// As [`VisionStage::regions`]; a stage whose classifier was not kept.
    pub fn class_logits(&self, image: &Path) -> Result<Vec<f32>> {
        let expected = "a stage whose classifier was kept (mmnas-search vision --classifier)";
        self.seen(image)?.class_logits.ok_or_else(|| Error::argument("vision", expected, "one without"))
    }

    fn seen(&self, image: &Path) -> Result<Seen> {
        let seen = self.runner.seen(&[self.decode(image)?], &Watched::default())?.pop();
        seen.ok_or_else(|| Error::argument("image", "one image", "none"))
    }

    /// An image file as the stage reads it.
    pub(crate) fn decode(&self, image: &Path) -> Result<Pixels> {
        Ok(prepare(decode_file(image)?, self.vision()))
    }

    /// Bytes of an image's pixels as the stage reads them.
    pub(crate) fn pixel_bytes(&self) -> usize {
        self.runner.pixel_bytes()
    }

    /// The regions of a batch.
    pub(crate) fn regions_of(&self, batch: &[Pixels], limits: &Watched) -> Result<Vec<RegionFeatures>> {
        self.runner.regions(batch, limits)
    }
}
