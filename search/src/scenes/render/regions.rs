//! Regions of an image with features that need no vision network.
//!
//! The features are the pixels of the region, made small, and its box.

use image::RgbImage;
use image::imageops::{self, FilterType};
use mmnas_bundle::boxes::{self, BoxXyxy};
use mmnas_bundle::{RegionFeatures, sha256_hex};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::scene::Scene;

/// Side of a region's crop after resizing.
pub const CROP: u32 = 8;
/// Width of a region's features.
///
/// They are the crop's red, green and blue in −1…1, row by row, then the five features of its box
/// ([`boxes::box_features`]). Without the latter nothing would say where a region is: relations
/// know distances only.
pub const FEATURES: usize = (3 * CROP * CROP) as usize + 5;
/// Name of the features; its hash stands in for that of a vision graph.
const FORM: &str = "mmnas scenes: 8x8 RGB crop in -1..1, 5 box features; version 1";

/// Number of boxes that lie anywhere.
const RANDOM_BOXES: usize = 3;
/// Intersection over union of a jittered box with the object's own.
pub const JITTER: std::ops::RangeInclusive<f32> = 0.4..=0.9;
/// Number of jittered boxes that are tried.
const TRIES: usize = 60;

/// SHA-256 that identifies features of this form.
pub fn form_sha256() -> String {
    sha256_hex(FORM.as_bytes())
}

/// Regions of an image with their features, shuffled.
///
/// They are the box of every object, a jittered one of it, and three boxes anywhere.
pub fn regions(scene: &Scene, image: &RgbImage, rng: &mut ChaCha8Rng) -> RegionFeatures {
    let (side, _) = image.dimensions();
    let mut boxes: Vec<BoxXyxy> = Vec::with_capacity(2 * scene.objects.len() + RANDOM_BOXES);
    for object in &scene.objects {
        let own = object.pixel_box(side);
        boxes.push(own);
        boxes.push(jittered(&own, side, rng));
    }
    boxes.extend((0..RANDOM_BOXES).map(|_| anywhere(side, rng)));
    boxes.shuffle(rng);
    let features = boxes.iter().flat_map(|b| features(image, b)).collect();
    RegionFeatures { features, boxes, size: (side, side) }
}

/// A box of whole pixels whose intersection over union with `own` is in [`JITTER`].
fn jittered(own: &BoxXyxy, side: u32, rng: &mut ChaCha8Rng) -> BoxXyxy {
    let [x1, y1, x2, y2] = *own;
    let (w, h) = (x2 - x1 + 1.0, y2 - y1 + 1.0);
    for _ in 0..TRIES {
        let mut by = |size: f32| size * rng.random_range(-0.25..0.25f32);
        let moved = [x1 + by(w), y1 + by(h), x2 + by(w), y2 + by(h)].map(f32::round);
        let inside = boxes::clip(&moved, side, side);
        if inside[0] <= inside[2] && inside[1] <= inside[3] && JITTER.contains(&boxes::iou(&inside, own)) {
            return inside;
        }
    }
    // Seven tenths of the box.
    [x1, y1, x1 + (0.7 * w).ceil() - 1.0, y2]
}

fn anywhere(side: u32, rng: &mut ChaCha8Rng) -> BoxXyxy {
    let mut range = || {
        let length = (side as f32 * rng.random_range(0.12..0.5f32)) as u32;
        let from = rng.random_range(0..side - length);
        (from as f32, (from + length) as f32)
    };
    let ((x1, x2), (y1, y2)) = (range(), range());
    [x1, y1, x2, y2]
}

fn features(image: &RgbImage, b: &BoxXyxy) -> Vec<f32> {
    let [x1, y1, x2, y2] = b.map(|v| v as u32);
    let region = imageops::crop_imm(image, x1, y1, x2 - x1 + 1, y2 - y1 + 1);
    let crop = imageops::resize(&*region, CROP, CROP, FilterType::Triangle);
    let pixels = crop.as_raw().iter().map(|&v| f32::from(v) / 127.5 - 1.0);
    pixels.chain(boxes::box_features(b, image.width(), image.height())).collect()
}
