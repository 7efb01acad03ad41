//! From an image's pixels to the features of its regions.
//!
//! This is the one place where pixels are prepared.

use std::path::Path;

use image::RgbImage;
use image::imageops::FilterType;
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::{Dim, Graph, Grid, RegionSource, Resize, Vision};
use mmnas_bundle::{RegionFeatures, boxes};

use crate::engine::limits::Watched;
use crate::engine::session::{GraphFile, Sessions, only_graph};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::tensor::{Data, Tensor};
use crate::engine::tensor_names::{BOXES, CLASS_LOGITS, CLASS_SCORES, FEATURES, PIXELS, ROIS, SCORES};
use crate::error::{Error, Result};
use crate::vision::detector::{self, Choice, DetectorPixels, DetectorRunner, Found};
use crate::vision::found_regions::{FoundRows, found_regions};

/// An image as the vision stage reads it.
pub(crate) struct Pixels {
    /// `[height, width, 3]` row-major, RGB.
    rgb: Vec<u8>,
    /// For the detector, where there is one.
    detector: Option<DetectorPixels>,
    /// Width and height of the original in pixels.
    size: (u32, u32),
}

/// Brings an image to the vision stage's size.
pub(crate) fn prepare(image: RgbImage, vision: &Vision) -> Pixels {
    let size = image.dimensions();
    let target = (vision.width, vision.height);
    let detector = vision.regions.detector().map(|detector| detector::prepare(&image, &detector.input));
    let image = match vision.resize {
        _ if size == target => image,
        Resize::Triangle => image::imageops::resize(&image, target.0, target.1, FilterType::Triangle),
    };
    Pixels { rgb: image.into_raw(), detector, size }
}

/// A vision stage in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct VisionRunner {
    vision: Vision,
    runner: StageRunner,
    detector: Option<DetectorRunner>,
    /// Classes of the detector whose scores the graph reads.
    classes: usize,
    /// Whether the graph reads one image at a time.
    one_at_a_time: bool,
}

/// What a vision stage makes of an image.
pub(crate) struct Seen {
    pub regions: RegionFeatures,
    /// Of the backbone's classes, where its classifier was kept.
    pub class_logits: Option<Vec<f32>>,
}

impl VisionRunner {
    /// Loads the graphs, which `read` reads.
    pub(crate) fn load<'a>(
        sessions: &Sessions,
        vision: &Vision,
        manifest: &Path,
        read: impl Fn(&Graph) -> Result<GraphFile<'a>>,
    ) -> Result<VisionRunner> {
        let graph = only_graph(&vision.stage, "vision.stage", manifest)?;
        let detector = vision.regions.detector().map(|detector| {
            let graph = read(only_graph(&detector.stage(), "vision.regions.detector", manifest)?)?;
            DetectorRunner::load(sessions, detector, &graph)
        });
        let runner = StageRunner::load(sessions, &vision.stage, &read(graph)?)?;
        let scores = vision.stage.inputs.iter().find(|spec| spec.name == CLASS_SCORES);
        let classes = match scores.map(|spec| spec.shape.last()) {
            None => 0,
            Some(Some(Dim::Fixed(classes))) => *classes,
            Some(other) => {
                let expected = "a fixed number of classes as the last dimension of \"class_scores\"";
                return Err(Error::invalid(manifest, "vision.stage.inputs", expected, format!("{other:?}")));
            }
        };
        let pixels = vision.stage.inputs.iter().find(|spec| spec.name == PIXELS);
        let one_at_a_time = pixels.and_then(|spec| spec.shape.first()) == Some(&Dim::Fixed(1));
        Ok(VisionRunner { vision: vision.clone(), runner, detector: detector.transpose()?, classes, one_at_a_time })
    }

    /// What the stage is.
    pub(crate) fn vision(&self) -> &Vision {
        &self.vision
    }

    /// Bytes of an image's pixels as the graphs read them.
    pub(crate) fn pixel_bytes(&self) -> usize {
        let bytes = |width: u32, height: u32| 3 * width as usize * height as usize;
        let of_detector = self.vision.regions.detector().map_or(0, |d| bytes(d.input.width, d.input.height));
        bytes(self.vision.width, self.vision.height) + of_detector
    }

    /// The regions of each image of a batch.
    pub(crate) fn regions(&self, batch: &[Pixels], limits: &Watched) -> Result<Vec<RegionFeatures>> {
        Ok(self.seen(batch, limits)?.into_iter().map(|seen| seen.regions).collect())
    }

    /// Everything that the stage makes of each image of a batch.
    pub(crate) fn seen(&self, batch: &[Pixels], limits: &Watched) -> Result<Vec<Seen>> {
        if self.one_at_a_time && batch.len() > 1 {
            let each = batch.iter().map(|pixels| self.seen(std::slice::from_ref(pixels), limits));
            return Ok(each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
        }
        if let RegionSource::Found { count, max_iou, min_score } = self.vision.regions {
            return self.seen_and_found(batch, Choice { count, max_iou, min_score }, limits);
        }
        let found = batch.iter().map(|pixels| self.found(pixels, limits)).collect::<Result<Vec<_>>>()?;
        let (boxes, class_scores): (Vec<_>, Vec<_>) = found.into_iter().map(|f| (f.boxes, f.class_scores)).unzip();
        let mut inputs = Tensors::from([(PIXELS.to_owned(), self.pixels(batch)?)]);
        let most = boxes.iter().map(Vec::len).max().unwrap_or(0);
        if self.detector.is_some() {
            inputs.insert(ROIS.to_owned(), self.rois(batch, &boxes, most)?);
        }
        if self.classes > 0 {
            inputs.insert(CLASS_SCORES.to_owned(), self.class_scores(&class_scores, most)?);
        }
        let outputs = self.runner.run_within(&[&inputs], limits)?;
        // A batch's images may have fewer regions than the one that has most.
        let feature = self.vision.feature;
        let features = self.finite(&outputs, FEATURES, &[batch.len(), most, feature])?;
        let classes = outputs.get(CLASS_LOGITS).and_then(|t| t.shape().get(1)).copied();
        let logits = classes.map(|n| Ok::<_, Error>((n, self.finite(&outputs, CLASS_LOGITS, &[batch.len(), n])?)));
        let logits = logits.transpose()?;
        let seen = |(image, boxes): (usize, Vec<BoxXyxy>)| {
            let start = image * most * feature;
            Seen {
                regions: RegionFeatures {
                    features: features[start..start + boxes.len() * feature].to_vec(),
                    boxes,
                    size: batch[image].size,
                },
                class_logits: logits.map(|(n, values)| values[image * n..(image + 1) * n].to_vec()),
            }
        };
        Ok(boxes.into_iter().enumerate().map(seen).collect())
    }

    /// As [`VisionRunner::seen`] where the graph finds the regions.
    fn seen_and_found(&self, batch: &[Pixels], choice: Choice, limits: &Watched) -> Result<Vec<Seen>> {
        let inputs = Tensors::from([(PIXELS.to_owned(), self.pixels(batch)?)]);
        let outputs = self.runner.run_within(&[&inputs], limits)?;
        let (feature, input) = (self.vision.feature, (self.vision.width, self.vision.height));
        let most = outputs.get(SCORES).and_then(|t| t.shape().get(1)).copied().unwrap_or(0);
        // Boxes and scores that are no numbers are left out below.
        let boxes = self.floats(&outputs, BOXES, &[batch.len(), most, 4])?;
        let scores = self.floats(&outputs, SCORES, &[batch.len(), most])?;
        let features = self.finite(&outputs, FEATURES, &[batch.len(), most, feature])?;
        let seen = |(image, pixels): (usize, &Pixels)| {
            let rows = FoundRows {
                corners: &boxes[4 * most * image..4 * most * (image + 1)],
                scores: &scores[most * image..most * (image + 1)],
                features: &features[feature * most * image..feature * most * (image + 1)],
            };
            let (boxes, features) = found_regions(&rows, (input, pixels.size), choice, feature);
            Seen { regions: RegionFeatures { features, boxes, size: pixels.size }, class_logits: None }
        };
        Ok(batch.iter().enumerate().map(seen).collect())
    }

    /// The images u8 `[batch, height, width, 3]`.
    fn pixels(&self, batch: &[Pixels]) -> Result<Tensor> {
        let (width, height) = (self.vision.width as usize, self.vision.height as usize);
        let mut rgb = Vec::with_capacity(batch.iter().map(|p| p.rgb.len()).sum());
        batch.iter().for_each(|p| rgb.extend_from_slice(&p.rgb));
        self.tensor(PIXELS, vec![batch.len(), height, width, 3], Data::U8(rgb))
    }

    /// Finds where the regions of an image lie, and the detector's scores of them.
    ///
    /// There is at least one region.
    fn found(&self, pixels: &Pixels, limits: &Watched) -> Result<Found> {
        let (width, height) = pixels.size;
        let cells = |grid: &Grid| boxes::grid(grid.rows, grid.columns, width, height);
        let boxes = match (&self.vision.regions, &self.detector, &pixels.detector) {
            (RegionSource::Proposals { count, grid, .. }, Some(detector), Some(input)) => {
                let mut boxes = grid.as_ref().map_or_else(Vec::new, cells);
                let found = detector.found(input, pixels.size, (*count, self.classes), limits)?;
                boxes.extend(found.boxes);
                if boxes.is_empty() {
                    boxes = boxes::grid(1, 1, width, height);
                }
                // Of a grid's cells the detector says nothing.
                let mut class_scores = vec![0.0; boxes.len() * self.classes - found.class_scores.len()];
                class_scores.extend(found.class_scores);
                return Ok(Found { boxes, class_scores });
            }
            (RegionSource::Grid(grid) | RegionSource::Proposals { grid: Some(grid), .. }, ..) => cells(grid),
            (RegionSource::Proposals { grid: None, .. } | RegionSource::Found { .. }, ..) => {
                boxes::grid(1, 1, width, height)
            }
        };
        Ok(Found { class_scores: vec![0.0; boxes.len() * self.classes], boxes })
    }

    /// The boxes in pixels of the backbone's input, f32 `[batch, most, 4]`.
    ///
    /// Where an image has fewer the rest is 0.
    fn rois(&self, batch: &[Pixels], boxes: &[Vec<BoxXyxy>], most: usize) -> Result<Tensor> {
        let mut corners = vec![0.0f32; batch.len() * most * 4];
        for ((pixels, boxes), rows) in batch.iter().zip(boxes).zip(corners.chunks_exact_mut((most * 4).max(1))) {
            let (x, y) = (
                self.vision.width as f32 / pixels.size.0.max(1) as f32,
                self.vision.height as f32 / pixels.size.1.max(1) as f32,
            );
            for (b, row) in boxes.iter().zip(rows.chunks_exact_mut(4)) {
                // From the pixels at both ends to their edges.
                row.copy_from_slice(&[b[0] * x, b[1] * y, (b[2] + 1.0) * x, (b[3] + 1.0) * y]);
            }
        }
        self.tensor(ROIS, vec![batch.len(), most, 4], Data::F32(corners))
    }

    /// The scores of the detector's classes, f32 `[batch, most, classes]`.
    ///
    /// Where an image has fewer regions the rest is 0.
    fn class_scores(&self, of_images: &[Vec<f32>], most: usize) -> Result<Tensor> {
        let row = most * self.classes;
        let mut scores = vec![0.0f32; of_images.len() * row];
        for (image, row) in of_images.iter().zip(scores.chunks_exact_mut(row.max(1))) {
            row[..image.len()].copy_from_slice(image);
        }
        self.tensor(CLASS_SCORES, vec![of_images.len(), most, self.classes], Data::F32(scores))
    }

    fn tensor(&self, name: &str, shape: Vec<usize>, data: Data) -> Result<Tensor> {
        let expected = format!("numbers for {shape:?}");
        Tensor::new(shape, data).ok_or_else(|| self.wrong(name, expected, "another number of them".to_owned()))
    }

    fn finite<'a>(&self, outputs: &'a Tensors, name: &str, shape: &[usize]) -> Result<&'a [f32]> {
        let values = self.floats(outputs, name, shape)?;
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(self.wrong(name, "finite numbers".to_owned(), value.to_string())),
            None => Ok(values),
        }
    }

    fn floats<'a>(&self, outputs: &'a Tensors, name: &str, shape: &[usize]) -> Result<&'a [f32]> {
        let found = outputs.get(name);
        found.filter(|t| t.shape() == shape).and_then(Tensor::as_f32).ok_or_else(|| {
            let found = found.map_or_else(|| "none".to_owned(), |t| format!("{:?}", t.shape()));
            self.wrong(name, format!("f32 {shape:?}"), found)
        })
    }

    fn wrong(&self, tensor: &str, expected: String, found: String) -> Error {
        Error::Tensor { file: self.runner.file().to_path_buf(), tensor: tensor.to_owned(), expected, found }
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::Stage;

    use super::*;

    fn vision(width: u32, height: u32) -> Vision {
        Vision {
            stage: Stage { graphs: vec![], inputs: vec![], outputs: vec![] },
            width,
            height,
            resize: Resize::Triangle,
            regions: RegionSource::Grid(Grid { rows: 1, columns: 1 }),
            feature: 1,
            backbone: String::new(),
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_not_touched() {
        let image = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let pixels = prepare(image.clone(), &vision(3, 2));
        assert_eq!(pixels.rgb, image.as_raw().as_slice());
        assert_eq!(pixels.size, (3, 2));
    }

    #[test]
    fn reduction_averages() {
        let image = RgbImage::from_fn(64, 64, |x, _| image::Rgb(if x % 2 == 0 { [0; 3] } else { [200; 3] }));
        let pixels = prepare(image, &vision(8, 4));
        assert_eq!(pixels.rgb.len(), 8 * 4 * 3);
        assert!(pixels.rgb.iter().all(|v| (85..=115).contains(v)), "{:?}", pixels.rgb);
    }
}
