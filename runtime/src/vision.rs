//! From an image file to the features of its regions: the one place where pixels are prepared.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits, RgbImage};
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::{Dim, Graph, Grid, RegionSource, Resize, Vision};
use mmnas_bundle::{RegionFeatures, boxes};

use crate::detector::{self, DetectorPixels, DetectorRunner, Found};
use crate::limits::Watched;
use crate::session::{GraphFile, Sessions, only_graph};
use crate::stage::{StageRunner, Tensors};
use crate::tensor::{Data, Tensor};
use crate::wiring::{CLASS_LOGITS, CLASS_SCORES, FEATURES, PIXELS, ROIS};
use crate::{Error, Result};

/// Longest side of an image that is decoded, in pixels.
const MAX_SIDE: u32 = 20_000;
/// Most memory that decoding one image may take, in bytes.
const MAX_DECODED_BYTES: u64 = 512 << 20;

/// Decodes an image file: PNG, JPEG, WebP, BMP or GIF (its first picture), told by content and not by name.
/// Transparency is dropped; a rotation or reflection that the file's metadata (EXIF) notes is applied, so that an image is
/// as people see it.
pub(crate) fn decode_file(file: &Path) -> Result<RgbImage> {
    // Opening a pipe would block, so ask before opening.
    let refused = |found: &str| {
        let reason = format!("expected an image file, found {found}");
        Error::Image { image: file.display().to_string(), reason }
    };
    match file.metadata() {
        Ok(meta) if meta.is_file() => {}
        Ok(meta) if meta.is_dir() => return Err(refused("a folder")),
        Ok(_) => return Err(refused("a pipe or device")),
        Err(_) if file.is_symlink() => return Err(refused("a link to nothing")),
        Err(error) => return Err(Error::read(file)(error)),
    }
    let handle = File::open(file).map_err(Error::read(file))?;
    decode(BufReader::new(handle), &file.display().to_string())
}

/// As [`decode_file`], for a file's content.
pub(crate) fn decode_bytes(encoded: &[u8]) -> Result<RgbImage> {
    decode(Cursor::new(encoded), "(bytes)")
}

fn decode(source: impl BufRead + Seek, name: &str) -> Result<RgbImage> {
    let failed = |reason: String| Error::Image { image: name.to_owned(), reason: crate::error::one_line(&reason) };
    // What the system cannot read is no fault of the image.
    let unread = |error: ImageError| match error {
        ImageError::IoError(error) if error.raw_os_error().is_some() => Error::read(Path::new(name))(error),
        error => failed(error.to_string()),
    };
    let mut reader = ImageReader::new(source).with_guessed_format().map_err(|e| unread(e.into()))?;
    if reader.format().is_none() {
        return Err(failed("expected PNG, JPEG, WebP, BMP or GIF, found another content".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unread)?;
    // As the file has them, and as RGB, which they become.
    let (width, height) = decoder.dimensions();
    let bytes = decoder.total_bytes().max(3 * u64::from(width) * u64::from(height));
    if bytes > MAX_DECODED_BYTES {
        let found = format!("expected at most {MAX_DECODED_BYTES} bytes of pixels, found {bytes}");
        return Err(failed(found));
    }
    // What a file's metadata says wrongly or not at all is as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(unread)?;
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    if image.width() == 0 || image.height() == 0 {
        return Err(failed("expected at least one pixel, found none".to_owned()));
    }
    Ok(image)
}

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
        Ok(VisionRunner { vision: vision.clone(), runner, detector: detector.transpose()?, classes })
    }

    /// What the stage is.
    pub(crate) fn vision(&self) -> &Vision {
        &self.vision
    }

    /// The regions of each image of a batch.
    pub(crate) fn regions(&self, batch: &[Pixels], limits: &Watched) -> Result<Vec<RegionFeatures>> {
        Ok(self.seen(batch, limits)?.into_iter().map(|seen| seen.regions).collect())
    }

    /// Everything that the stage makes of each image of a batch.
    pub(crate) fn seen(&self, batch: &[Pixels], limits: &Watched) -> Result<Vec<Seen>> {
        let found = batch.iter().map(|pixels| self.found(pixels, limits)).collect::<Result<Vec<_>>>()?;
        let (boxes, class_scores): (Vec<_>, Vec<_>) = found.into_iter().map(|f| (f.boxes, f.class_scores)).unzip();
        let (width, height) = (self.vision.width as usize, self.vision.height as usize);
        let mut rgb = Vec::with_capacity(batch.iter().map(|p| p.rgb.len()).sum());
        batch.iter().for_each(|p| rgb.extend_from_slice(&p.rgb));
        let pixels = self.tensor(PIXELS, vec![batch.len(), height, width, 3], Data::U8(rgb))?;
        let mut inputs = Tensors::from([(PIXELS.to_owned(), pixels)]);
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

    /// Where the regions of an image lie, at least one, and what the detector says of them.
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
            (RegionSource::Proposals { grid: None, .. }, ..) => boxes::grid(1, 1, width, height),
        };
        Ok(Found { class_scores: vec![0.0; boxes.len() * self.classes], boxes })
    }

    /// The boxes in pixels of the backbone's input, f32 `[batch, most, 4]`; where an image has fewer the rest is 0.
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

    /// The scores of the detector's classes, f32 `[batch, most, classes]`; where an image has fewer regions the rest is 0.
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
        let found = outputs.get(name);
        let values = found.filter(|t| t.shape() == shape).and_then(Tensor::as_f32).ok_or_else(|| {
            let found = found.map_or_else(|| "none".to_owned(), |t| format!("{:?}", t.shape()));
            self.wrong(name, format!("f32 {shape:?}"), found)
        })?;
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(self.wrong(name, "finite numbers".to_owned(), value.to_string())),
            None => Ok(values),
        }
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

    fn png(image: &RgbImage) -> Vec<u8> {
        let mut encoded = Cursor::new(Vec::new());
        image.write_to(&mut encoded, image::ImageFormat::Png).unwrap();
        encoded.into_inner()
    }

    #[test]
    fn an_image_of_the_right_size_is_not_touched() {
        let image = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let pixels = prepare(decode_bytes(&png(&image)).unwrap(), &vision(3, 2));
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

    /// A JPEG whose EXIF says how it is to be turned: the APP1 segment with the one tag 0x0112, right after the beginning.
    fn turned_jpeg(image: &RgbImage, orientation: u8) -> Vec<u8> {
        let mut encoded = Cursor::new(Vec::new());
        image.write_to(&mut encoded, image::ImageFormat::Jpeg).unwrap();
        let mut jpeg = encoded.into_inner();
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = (exif.len() as u16 + 2).to_be_bytes();
        jpeg.splice(2..2, [&[0xff, 0xe1][..], &length, &exif].concat());
        jpeg
    }

    #[test]
    fn a_rotation_in_the_metadata_is_applied() {
        // Left half dark, right half bright.
        let image = RgbImage::from_fn(32, 16, |x, _| image::Rgb(if x < 16 { [10; 3] } else { [240; 3] }));
        let bright = |image: &RgbImage, x, y| image.get_pixel(x, y).0[0] > 128;
        let plain = decode_bytes(&turned_jpeg(&image, 1)).unwrap();
        assert_eq!((plain.dimensions(), bright(&plain, 2, 8), bright(&plain, 30, 8)), ((32, 16), false, true));
        let half = decode_bytes(&turned_jpeg(&image, 3)).unwrap();
        assert_eq!((half.dimensions(), bright(&half, 2, 8), bright(&half, 30, 8)), ((32, 16), true, false));
        // A quarter to the right: what was left is above.
        let quarter = decode_bytes(&turned_jpeg(&image, 6)).unwrap();
        assert_eq!((quarter.dimensions(), bright(&quarter, 8, 2), bright(&quarter, 8, 30)), ((16, 32), false, true));
        // A number that means nothing.
        assert_eq!(decode_bytes(&turned_jpeg(&image, 77)).unwrap().dimensions(), (32, 16));
    }

    #[test]
    fn what_is_no_image_is_a_typed_error() {
        let image = RgbImage::new(40, 40);
        let whole = png(&image);
        for content in [&b""[..], b"hello", &whole[..20], &whole[..whole.len() / 2]] {
            assert!(matches!(decode_bytes(content), Err(Error::Image { .. })), "{} bytes", content.len());
        }
    }

    #[test]
    fn an_image_that_claims_a_huge_size_is_refused_before_it_is_decoded() {
        // A BMP header that claims 30,000 × 30,000 pixels.
        let mut bmp = vec![b'B', b'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0];
        bmp.extend(30_000i32.to_le_bytes());
        bmp.extend(30_000i32.to_le_bytes());
        bmp.extend([1, 0, 24, 0]);
        bmp.resize(1024, 0);
        assert!(matches!(decode_bytes(&bmp), Err(Error::Image { .. })));
    }
}
