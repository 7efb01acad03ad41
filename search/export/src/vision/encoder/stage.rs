//! A vision stage over an encoder: its graph and its folder.

use std::path::Path;

use mmnas_bundle::manifest::{Channels, Dim, Dtype, Layout, Resize, Stage, Vision};

use crate::error::Result;
use crate::golden::GoldenTensor;
use crate::onnx::graph::Graph;
use crate::onnx::model::BuiltGraph;
use crate::onnx::onnx_model::OnnxModel;
use crate::onnx::raise_opset::raise_opset;
use crate::onnx::value_type::Elem;
use crate::vision::encoder::detected::Detected;
use crate::vision::encoder::encoder_input::EncoderInput;
use crate::vision::encoder::encoder_map::{EncoderMap, MapLayout};
use crate::vision::regions::{FORM, FeatureMap, region_features};
use crate::vision::settings::RegionSettings;
use crate::vision::write::{VISION_GRAPH, write_stage};
use crate::weights::Weight;

/// What a vision stage over an encoder is to be.
#[derive(Debug, Clone)]
pub struct EncoderStage {
    /// How the encoder reads an image.
    pub input: EncoderInput,
    /// Where its regions and their features come from.
    pub source: FeatureSource,
}

/// Where regions and their features come from.
#[derive(Debug, Clone)]
pub enum FeatureSource {
    /// Averages of maps.
    Maps {
        /// The values whose averages are a region's features, one after the other.
        maps: Vec<EncoderMap>,
        /// Whether the encoder takes several images at once and gives of each what it gives of it alone.
        batch: bool,
        /// Where the regions lie, and what their features have beside the averages.
        regions: RegionSettings,
    },
    /// The model finds regions itself; one image at a time.
    Detected(Detected),
}

impl EncoderStage {
    /// Checks the regions and the detector's file.
    ///
    /// # Errors
    /// A size or a number of classes out of range; a file that is no such detector.
    pub fn check(&self) -> Result<()> {
        match &self.source {
            FeatureSource::Maps { regions, .. } => regions.check(),
            FeatureSource::Detected(detected) => detected.options.check_numbers(),
        }
    }

    fn describe(&self, name: &str, stage: Stage) -> Vision {
        let size = (self.input.width as u32, self.input.height as u32);
        match &self.source {
            FeatureSource::Maps { maps, regions, .. } => {
                let channels = maps.iter().map(|map| map.channels).sum();
                let maps: Vec<String> = maps.iter().map(|map| format!("{} ({})", map.value, map.layout)).collect();
                regions.describe(size, channels, format!("{name}, {}", maps.join(", ")), stage)
            }
            FeatureSource::Detected(detected) => Vision {
                stage,
                width: size.0,
                height: size.1,
                resize: Resize::Triangle,
                regions: detected.source(),
                feature: detected.feature(),
                backbone: format!("{name}, {}", detected.options.features),
            },
        }
    }

    /// Builds the graph: `pixels` u8 `[batch, height, width, 3]` → features of regions.
    fn build(&self, model: &OnnxModel) -> Result<Graph> {
        let mut proto = model.proto.clone();
        raise_opset(&mut proto).map_err(|found| model.wrong("(graph)", "operators of opset 11 to ours", found))?;
        let mut graph = Graph::new("vision", FORM);
        let g = &mut graph;
        let (height, width) = (self.input.height, self.input.width);
        let many = matches!(self.source, FeatureSource::Maps { batch: true, .. });
        let (batch, dim) = if many { ("batch", Dim::Named("batch".to_owned())) } else { ("1", Dim::Fixed(1)) };
        let pixels = g.input("pixels", Dtype::U8, &[batch, &height.to_string(), &width.to_string(), "3"]);
        let image = self.image(g, &pixels);
        let (maps, regions) = match &self.source {
            FeatureSource::Maps { maps, regions, .. } => (maps, regions),
            FeatureSource::Detected(detected) => {
                detected.build(g, proto, (&self.input, &image));
                return Ok(graph);
            }
        };
        let shape_of = |map: &EncoderMap| {
            let shape = match map.layout {
                MapLayout::Nchw => vec![map.channels, map.height, map.width],
                MapLayout::Nhwc => vec![map.height, map.width, map.channels],
                MapLayout::Tokens { before } => vec![before + map.height * map.width, map.channels],
            };
            (map.value.clone(), std::iter::once(dim.clone()).chain(shape.into_iter().map(Dim::Fixed)).collect())
        };
        let outputs: Vec<_> = maps.iter().map(shape_of).collect();
        let values = g.embed(proto, (&self.input.name, &image), &outputs);
        let maps: Vec<FeatureMap> = maps.iter().zip(values).map(|(map, value)| feature_map(g, map, &value)).collect();
        region_features(g, &maps, (height, width), regions);
        Ok(graph)
    }

    /// The pixels as the encoder reads them.
    fn image(&self, g: &mut Graph, pixels: &str) -> String {
        let preprocessing = &self.input.preprocessing;
        let mut x = pixels.to_owned();
        if preprocessing.channels == Channels::Bgr {
            let parts = g.split(&x, 3, &[1, 1, 1]);
            x = g.concat(&[&parts[2], &parts[1], &parts[0]], 3);
        }
        if !self.input.is_bytes() {
            x = g.cast(&x, Elem::F32);
            let mean = g.weight("mean", &Weight::new(&[3], preprocessing.mean.to_vec()));
            let scale = g.weight("scale", &Weight::new(&[3], preprocessing.scale.to_vec()));
            x = g.node("Sub", &[&x, &mean], vec![]);
            x = g.node("Div", &[&x, &scale], vec![]);
        }
        if self.input.layout == Layout::Nchw {
            x = g.transpose(&x, &[0, 3, 1, 2]);
        }
        g.cast(&x, self.input.elem)
    }
}

/// A value of the encoder as a map with its channels first.
fn feature_map(g: &mut Graph, map: &EncoderMap, value: &str) -> FeatureMap {
    let value = match map.layout {
        MapLayout::Nchw => value.to_owned(),
        MapLayout::Nhwc => g.transpose(value, &[0, 3, 1, 2]),
        MapLayout::Tokens { before } => {
            let places = map.height * map.width;
            let of_map = if before == 0 { value.to_owned() } else { g.split(value, 1, &[before, places])[1].clone() };
            let first = g.transpose(&of_map, &[0, 2, 1]);
            g.reshape(&first, &[0, map.channels as i64, map.height as i64, map.width as i64])
        }
    };
    FeatureMap { value, channels: map.channels, height: map.height, width: map.width }
}

/// Writes the folder of a vision stage over an encoder.
///
/// `golden` are recorded inputs and outputs of its graph. `check` is asked whether the graph, which lies in a file
/// already, gives what was recorded; the folder appears if it is.
///
/// # Errors
/// Regions that are out of range; a model of an opset that is not understood; what `check` says; a folder that cannot
/// be written.
pub fn write_encoder_stage(
    model: &OnnxModel,
    stage: &EncoderStage,
    golden: &[GoldenTensor],
    check: &dyn Fn(&Path) -> Result<()>,
    out: &Path,
) -> Result<()> {
    stage.check()?;
    let graph = BuiltGraph::new(stage.build(model)?, FORM, VISION_GRAPH.to_owned(), u64::MAX)?;
    let name = model.file().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let proposals = match &stage.source {
        FeatureSource::Maps { regions, .. } => regions.proposals.as_ref(),
        FeatureSource::Detected(_) => None,
    };
    write_stage(graph, proposals, golden, |s| stage.describe(&name, s), check, out)
}
