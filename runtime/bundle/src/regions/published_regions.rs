//! Regions of published files, brought to our form.
//!
//! Boxes are in pixels, and there is no padding.

use std::path::Path;

use crate::boxes::{BOX_EXPECTED, BoxXyxy, is_box};
use crate::error::{Error, Result};
use crate::regions::region_features::RegionFeatures;

/// How far a box from 0 to 1 may be beyond, by rounding.
const RELATIVE_SLACK: f32 = 1e-3;
/// Largest side in pixels of images whose boxes may all end at 1.
const TINY: u32 = 2;

/// Where regions come from, to name it in errors.
#[derive(Debug)]
pub struct PublishedPlace<'a> {
    /// The file.
    pub file: &'a Path,
    /// What the features are called in it.
    pub features: &'a str,
    /// What the boxes are called in it.
    pub boxes: &'a str,
}

/// The regions of an image from published arrays.
///
/// `features` is `[boxes, D]` row-major. Boxes are in pixels, or from 0 to 1 if no box of an image of more than 2 × 2
/// pixels ends beyond 1. Regions at the end whose box and features are all 0 fill a table up and are left out. A `size`
/// with a 0 is not known.
///
/// # Errors
/// No region; a number that is not finite; a box whose corners are the wrong way round; boxes from 0 to 1 in an image of
/// unknown size.
pub fn published_regions(
    mut features: Vec<f32>,
    mut boxes: Vec<BoxXyxy>,
    size: (u32, u32),
    place: &PublishedPlace<'_>,
) -> Result<RegionFeatures> {
    let invalid = |field: &str, expected: &str, found: String| Err(Error::invalid(place.file, field, expected, found));
    let d = features.len() / boxes.len().max(1);
    let is_fill = |b: &BoxXyxy, row: &[f32]| b.iter().chain(row).all(|v| *v == 0.0);
    let used = boxes.iter().zip(features.chunks_exact(d.max(1))).rposition(|(b, row)| !is_fill(b, row));
    let Some(last) = used else {
        return invalid(place.boxes, "at least one region", "none, or zeros alone".to_owned());
    };
    boxes.truncate(last + 1);
    features.truncate((last + 1) * d);
    if let Some(at) = features.iter().position(|v| !v.is_finite()) {
        return invalid(place.features, "finite numbers", format!("{} for region {}", features[at], at / d));
    }
    let (low, high) = (-RELATIVE_SLACK, 1.0 + RELATIVE_SLACK);
    let relative = boxes.as_flattened().iter().all(|v| (low..=high).contains(v));
    if relative && (size.0 == 0 || size.1 == 0) {
        let expected = "boxes in pixels, as the file does not say how large the image is";
        return invalid(place.boxes, expected, "boxes from 0 to 1".to_owned());
    }
    if relative && (size.0 > TINY || size.1 > TINY) {
        let (width, height) = (size.0 as f32, size.1 as f32);
        for b in &mut boxes {
            *b = [b[0] * width, b[1] * height, b[2] * width, b[3] * height];
        }
    }
    if let Some(at) = boxes.iter().position(|b| !is_box(b)) {
        return invalid(place.boxes, BOX_EXPECTED, format!("{:?} for region {at}", boxes[at]));
    }
    Ok(RegionFeatures { features, boxes, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(boxes: &[BoxXyxy], size: (u32, u32)) -> std::result::Result<RegionFeatures, String> {
        let features = (0..2 * boxes.len()).map(|k| 1.0 + k as f32).collect();
        let place = PublishedPlace { file: Path::new("f"), features: "x", boxes: "bbox" };
        published_regions(features, boxes.to_vec(), size, &place).map_err(|e| e.to_string())
    }

    #[test]
    fn boxes_from_0_to_1_become_pixels() {
        let found = regions(&[[0.25, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.125]], (640, 480)).unwrap();
        assert_eq!(found.boxes, [[160.0, 240.0, 640.0, 480.0], [0.0, 0.0, 320.0, 60.0]]);
        // One box beyond 1 says that all are pixels, and so does a tiny image.
        let pixels = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 7.0, 1.0]];
        assert_eq!(regions(&pixels, (640, 480)).unwrap().boxes, pixels);
        assert_eq!(regions(&pixels, (0, 0)).unwrap().boxes, pixels);
        assert_eq!(regions(&pixels[..1], (2, 2)).unwrap().boxes, pixels[..1]);
        assert!(regions(&pixels[..1], (0, 0)).unwrap_err().contains("bbox: expected boxes in pixels"));
    }

    #[test]
    fn zeros_at_the_end_are_no_regions() {
        let place = PublishedPlace { file: Path::new("f"), features: "x", boxes: "bbox" };
        let run = |features: Vec<f32>, boxes: Vec<BoxXyxy>| published_regions(features, boxes, (9, 9), &place);
        let b = [1.0, 1.0, 5.0, 5.0];
        // A zero box with features, and a box with zero features, are regions.
        let found = run(vec![1.0, 0.0, 2.0, 0.0, 0.0], vec![b, b, [0.0; 4], [0.0; 4], [0.0; 4]]).unwrap();
        assert_eq!((found.features, found.boxes), (vec![1.0, 0.0, 2.0], vec![b, b, [0.0; 4]]));
        for (features, boxes) in [(vec![], vec![]), (vec![0.0; 4], vec![[0.0; 4]; 2])] {
            let error = run(features, boxes).unwrap_err().to_string();
            assert!(error.contains("bbox: expected at least one region"), "{error}");
        }
    }
}
