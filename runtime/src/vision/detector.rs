//! Regions from a detector: an image in, the boxes of its objects out.

use image::RgbImage;
use image::imageops::FilterType;
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::{Channels, Corners, Detector, DetectorInput, DetectorOutput, Dtype, Fit, Layout};

use crate::engine::limits::Watched;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::tensor::{Data, Tensor};
use crate::engine::tensor_names::CLASS_SCORES;
use crate::error::{Error, Result};

/// Boxes that compete at most: those of the largest scores.
///
/// What is beyond them never becomes a region.
const MAX_CANDIDATES: usize = 3000;

/// An image as a detector reads it.
pub(crate) struct DetectorPixels {
    /// `[height, width, 3]` row-major, RGB, of the detector's input.
    rgb: Vec<u8>,
    /// Pixels of the input for one of the image, across and down.
    scale: (f32, f32),
}

/// Brings an image to the detector's size.
pub(crate) fn prepare(image: &RgbImage, input: &DetectorInput) -> DetectorPixels {
    let (width, height) = image.dimensions();
    let (target_width, target_height) = (input.width, input.height);
    let (inner, pad) = match input.fit {
        Fit::Stretch => ((target_width, target_height), 0),
        Fit::Letterbox { pad } => {
            let ratio = (f64::from(target_width) / f64::from(width)).min(f64::from(target_height) / f64::from(height));
            let side = |side: u32, most: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, most);
            ((side(width, target_width), side(height, target_height)), pad)
        }
    };
    let resized = if inner == (width, height) {
        image.clone()
    } else {
        image::imageops::resize(image, inner.0, inner.1, FilterType::Triangle)
    };
    let mut whole = RgbImage::from_pixel(target_width, target_height, image::Rgb([pad; 3]));
    image::imageops::replace(&mut whole, &resized, 0, 0);
    let scale = (inner.0 as f32 / width as f32, inner.1 as f32 / height as f32);
    DetectorPixels { rgb: whole.into_raw(), scale }
}

/// What a detector found in an image.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In pixels of the image, the one of the largest score first.
    pub boxes: Vec<BoxXyxy>,
    /// The scores of the classes of each box, row-major.
    ///
    /// Empty where they were not asked for.
    pub class_scores: Vec<f32>,
}

/// A box with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub corners: BoxXyxy,
    pub score: f32,
    /// Where it stands in the outputs.
    pub row: usize,
}

/// Which boxes are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub count: usize,
    pub max_iou: f32,
    pub min_score: f32,
}

/// The best boxes in an image of this size, in its pixels.
///
/// `scale` is how many pixels of the input there are for one of the image, across and down.
pub(super) fn chosen(
    scored: impl Iterator<Item = Scored>,
    (scale, size): ((f32, f32), (u32, u32)),
    choice: Choice,
) -> Vec<Scored> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    let mut found = Vec::new();
    for scored in scored {
        let [x1, y1, x2, y2] = scored.corners;
        let corners = [x1 / scale.0, y1 / scale.1, x2 / scale.0, y2 / scale.1];
        // Whatever a graph gives: no box that is none goes further.
        let is_box = corners.iter().chain([&scored.score]).all(|v| v.is_finite())
            && corners[0] < corners[2]
            && corners[1] < corners[3]
            && scored.score >= choice.min_score;
        let clipped = [
            corners[0].clamp(0.0, width),
            corners[1].clamp(0.0, height),
            corners[2].clamp(0.0, width),
            corners[3].clamp(0.0, height),
        ];
        if is_box && clipped[2] - clipped[0] >= 1.0 && clipped[3] - clipped[1] >= 1.0 {
            found.push(Scored { corners: clipped, ..scored });
        }
    }
    suppressed(found, choice.max_iou, choice.count)
}

/// From edges to the pixels inside them, of which our boxes count both ends.
pub(super) fn inside([x1, y1, x2, y2]: BoxXyxy) -> BoxXyxy {
    [x1, y1, x2 - 1.0, y2 - 1.0]
}

/// The rows of an output in which the scores of the classes are.
#[derive(Debug, Clone, Copy)]
struct ClassRows<'a> {
    values: &'a [f32],
    width: usize,
    /// Where the classes begin, after the probability of an object; 0 where they are all.
    first: usize,
}

impl ClassRows<'_> {
    /// The scores of a row's classes.
    fn scores(&self, row: usize) -> impl Iterator<Item = f32> {
        let values = &self.values[row * self.width..(row + 1) * self.width];
        let object = if self.first == 0 { 1.0 } else { values[self.first - 1] };
        values[self.first..].iter().map(move |class| object * class)
    }
}

/// A detector in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct DetectorRunner {
    detector: Detector,
    runner: StageRunner,
}

impl DetectorRunner {
    /// Loads the graph and compares it with what the manifest says.
    pub(crate) fn load(sessions: &Sessions, detector: &Detector, graph: &GraphFile<'_>) -> Result<DetectorRunner> {
        Ok(DetectorRunner {
            detector: detector.clone(),
            runner: StageRunner::load(sessions, &detector.stage(), graph)?,
        })
    }

    /// Finds at most `count` boxes in an image of this size.
    ///
    /// They are those of the largest scores, with the scores of `classes` classes, which are all that the detector has;
    /// or, for 0, none.
    pub(crate) fn found(
        &self,
        pixels: &DetectorPixels,
        size: (u32, u32),
        (count, classes): (usize, usize),
        limits: &Watched,
    ) -> Result<Found> {
        let input = &self.detector.input;
        let inputs = Tensors::from([(input.name.clone(), self.tensor(&pixels.rgb)?)]);
        let outputs = self.runner.run_within(&[&inputs], limits)?;
        let (decoded, rows) = self.decoded(&outputs)?;
        if classes > 0 && rows.width - rows.first != classes {
            let found = format!("{} classes", rows.width - rows.first);
            return Err(self.wrong(CLASS_SCORES, format!("{classes} classes"), found));
        }
        let choice = Choice { count, max_iou: self.detector.max_iou, min_score: self.detector.min_score };
        let kept = chosen(decoded.into_iter(), (pixels.scale, size), choice);
        let of_kept: &[Scored] = if classes > 0 { &kept } else { &[] };
        Ok(Found {
            class_scores: of_kept.iter().flat_map(|scored| rows.scores(scored.row)).collect(),
            boxes: kept.iter().map(|scored| inside(scored.corners)).collect(),
        })
    }

    fn tensor(&self, rgb: &[u8]) -> Result<Tensor> {
        let input = &self.detector.input;
        let pixels = (input.width as usize) * (input.height as usize);
        let order = match input.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        };
        // Where the number at a place of the tensor comes from: the pixel and the channel in the tensor's order.
        let place = |at: usize| match input.layout {
            Layout::Nchw => (at % pixels, at / pixels),
            Layout::Nhwc => (at / 3, at % 3),
        };
        let byte = |at: usize| {
            let (pixel, channel) = place(at);
            (rgb[3 * pixel + order[channel]], channel)
        };
        let data = if input.dtype == Dtype::U8 {
            Data::U8((0..3 * pixels).map(|at| byte(at).0).collect())
        } else {
            let number = |at: usize| {
                let (byte, channel) = byte(at);
                (f32::from(byte) - input.mean[channel]) / input.scale[channel]
            };
            Data::F32((0..3 * pixels).map(number).collect())
        };
        let (width, height) = (input.width as usize, input.height as usize);
        let shape = match input.layout {
            Layout::Nchw => vec![1, 3, height, width],
            Layout::Nhwc => vec![1, height, width, 3],
        };
        Tensor::new(shape, data).ok_or_else(|| Error::argument("pixels", "those of the detector's input", rgb.len()))
    }

    /// Boxes in pixels of the detector's input, and where the scores of their classes are.
    fn decoded<'a>(&self, outputs: &'a Tensors) -> Result<(Vec<Scored>, ClassRows<'a>)> {
        let input = &self.detector.input;
        match &self.detector.output {
            DetectorOutput::Yolox { name, strides } => {
                let cells: usize = strides.iter().map(|s| (input.width / s * (input.height / s)) as usize).sum();
                let (values, width) = self.rows(outputs, name, cells)?;
                if width < 6 {
                    return Err(self.wrong(
                        name,
                        format!("[1, {cells}, 5 + classes]"),
                        format!("[1, {cells}, {width}]"),
                    ));
                }
                let rows = ClassRows { values, width, first: 5 };
                Ok((decode_yolox(rows, strides, (input.width, input.height)), rows))
            }
            DetectorOutput::Boxes { boxes, scores, corners, relative } => {
                let count = outputs.get(boxes).and_then(|t| t.shape().get(1)).copied().unwrap_or(0);
                let (values, _) = self.rows(outputs, boxes, count)?;
                let (of_classes, classes) = self.rows(outputs, scores, count)?;
                let rows = ClassRows { values: of_classes, width: classes, first: 0 };
                let unit = if *relative { (input.width as f32, input.height as f32) } else { (1.0, 1.0) };
                let scored = |(row, b): (usize, &[f32])| {
                    let [a, b, c, d] = [b[0] * unit.0, b[1] * unit.1, b[2] * unit.0, b[3] * unit.1];
                    let corners = match corners {
                        Corners::Xyxy => [a, b, c, d],
                        Corners::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
                    };
                    Scored { corners, score: rows.scores(row).fold(f32::NEG_INFINITY, f32::max), row }
                };
                Ok((values.chunks_exact(4).enumerate().map(scored).collect(), rows))
            }
        }
    }

    /// The numbers of an output f32 `[1, count, width]`, and the width.
    fn rows<'a>(&self, outputs: &'a Tensors, name: &str, count: usize) -> Result<(&'a [f32], usize)> {
        let expected = || format!("f32 [1, {count}, …]");
        let tensor = outputs.get(name).ok_or_else(|| self.wrong(name, expected(), "none".to_owned()))?;
        match (tensor.shape(), tensor.as_f32()) {
            (&[1, rows, width], Some(values)) if rows == count => Ok((values, width)),
            (shape, _) => Err(self.wrong(name, expected(), format!("{shape:?}"))),
        }
    }

    fn wrong(&self, tensor: &str, expected: String, found: String) -> Error {
        Error::Tensor { file: self.runner.file().to_path_buf(), tensor: tensor.to_owned(), expected, found }
    }
}

/// YOLOX's cells, a row each (Ge et al., 2021, as its published code decodes them).
fn decode_yolox(rows: ClassRows<'_>, strides: &[u32], input: (u32, u32)) -> Vec<Scored> {
    let cells = strides.iter().flat_map(|&stride| {
        let (columns, rows) = (input.0 / stride, input.1 / stride);
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (column as f32, row as f32, stride as f32)))
    });
    let mut scored = Vec::new();
    for (number, (v, (column, row, stride))) in rows.values.chunks_exact(rows.width).zip(cells).enumerate() {
        let (cx, cy) = ((v[0] + column) * stride, (v[1] + row) * stride);
        let (w, h) = (v[2].exp() * stride, v[3].exp() * stride);
        let corners = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
        scored.push(Scored { corners, score: rows.scores(number).fold(f32::NEG_INFINITY, f32::max), row: number });
    }
    scored
}

/// Greedy non-maximum suppression.
///
/// Gives the best boxes, none of which overlaps a better one by more than `max_iou`.
fn suppressed(mut found: Vec<Scored>, max_iou: f32, count: usize) -> Vec<Scored> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    let mut kept: Vec<Scored> = Vec::new();
    for scored in found {
        if kept.len() == count {
            break;
        }
        if kept.iter().all(|better| overlap(&better.corners, &scored.corners) <= max_iou) {
            kept.push(scored);
        }
    }
    kept
}

/// Intersection over union of boxes with an area.
fn overlap(a: &BoxXyxy, b: &BoxXyxy) -> f32 {
    let side = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let shared = side(0) * side(1);
    let area = |c: &BoxXyxy| (c[2] - c[0]) * (c[3] - c[1]);
    shared / (area(a) + area(b) - shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_boxes() {
        // Strides 8 and 16 on 16 × 16 pixels: four cells and one.
        let mut values = vec![0.0; 5 * 7];
        let mut cell = |k: usize, numbers: [f32; 7]| values[7 * k..7 * (k + 1)].copy_from_slice(&numbers);
        cell(3, [0.5, 0.25, 2.0f32.ln(), 1.0f32.ln(), 0.5, 0.25, 0.75]);
        cell(4, [0.25, 0.5, 0.0, 0.5f32.ln(), 1.0, 0.5, 0.25]);
        let rows = ClassRows { values: &values, width: 7, first: 5 };
        let found = decode_yolox(rows, &[8, 16], (16, 16));
        assert_eq!(found.len(), 5);
        let near = |a: BoxXyxy, b: BoxXyxy| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-4);
        // Centre (1.5 · 8, 1.25 · 8), size 16 × 8.
        assert!(near(found[3].corners, [4.0, 6.0, 20.0, 14.0]) && (found[3].score - 0.375).abs() < 1e-6);
        assert!(near(found[4].corners, [-4.0, 4.0, 12.0, 12.0]) && found[4].score == 0.5);
        assert_eq!(rows.scores(found[3].row).collect::<Vec<_>>(), [0.125, 0.375]);
    }

    #[test]
    fn a_box_that_overlaps_a_better_one_is_left_out() {
        let scored = |corners, score| Scored { corners, score, row: 0 };
        let found = vec![
            scored([0.0, 0.0, 10.0, 10.0], 0.5),
            scored([1.0, 0.0, 11.0, 10.0], 0.9),
            scored([6.0, 0.0, 16.0, 10.0], 0.4),
            scored([50.0, 50.0, 60.0, 60.0], 0.1),
        ];
        let kept: Vec<BoxXyxy> = suppressed(found.clone(), 0.5, 9).into_iter().map(|s| s.corners).collect();
        assert_eq!(kept, [[1.0, 0.0, 11.0, 10.0], [6.0, 0.0, 16.0, 10.0], [50.0, 50.0, 60.0, 60.0]]);
        assert_eq!(suppressed(found, 0.5, 2).len(), 2);
    }

    #[test]
    fn a_letterbox_keeps_the_proportions() {
        let input = DetectorInput { width: 32, height: 32, ..Detector::yolox("", 32).input };
        let image = RgbImage::from_pixel(40, 20, image::Rgb([9, 8, 7]));
        let pixels = prepare(&image, &input);
        assert_eq!(pixels.scale, (0.8, 0.8));
        let at = |x: usize, y: usize| pixels.rgb[3 * (32 * y + x)];
        assert_eq!((at(31, 15), at(0, 16), at(31, 31)), (9, 114, 114));
        let stretched = prepare(&image, &DetectorInput { fit: Fit::Stretch, ..input });
        assert_eq!((stretched.scale, stretched.rgb[3 * 32 * 31]), ((0.8, 1.6), 9));
        // A picture of one line does not vanish.
        prepare(&RgbImage::new(20_000, 1), &Detector::yolox("", 32).input);
    }
}
