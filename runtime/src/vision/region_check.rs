//! Region features that a caller gives, before they go into a graph.

use std::borrow::Cow;

use mmnas_bundle::RegionFeatures;
use mmnas_bundle::boxes::{BOX_EXPECTED, BoxXyxy};
use mmnas_bundle::manifest::MAX_REGIONS;

use crate::error::{Error, Result};

/// Checks the regions of one image, of features `width` wide, and gives their boxes.
///
/// Boxes that stick out of the image are cut to it. An image of no size is of unknown size: nothing sticks out of it.
pub(crate) fn checked_boxes(regions: &RegionFeatures, width: usize) -> Result<Cow<'_, [BoxXyxy]>> {
    let count = regions.boxes.len();
    if count == 0 || count > MAX_REGIONS {
        return Err(Error::argument("regions", format!("1 to {MAX_REGIONS}"), count));
    }
    if regions.features.len() != count * width {
        let found = match regions.features.len() {
            numbers if numbers.is_multiple_of(count) => format!("{count} × {}", numbers / count),
            numbers => format!("{numbers} numbers"),
        };
        return Err(Error::argument("features", format!("{count} regions × {width} numbers"), found));
    }
    if let Some(value) = regions.features.iter().find(|v| !v.is_finite()) {
        return Err(Error::argument("features", "finite numbers", value));
    }
    // The relations of boxes take the logarithm of a width, which counts both edge pixels.
    let is_box = |b: &&BoxXyxy| b.iter().all(|v| v.is_finite()) && b[2] - b[0] > -1.0 && b[3] - b[1] > -1.0;
    if let Some(found) = regions.boxes.iter().find(|b| !is_box(b)) {
        return Err(Error::argument("boxes", BOX_EXPECTED, format!("{found:?}")));
    }
    let (right, bottom) = (regions.size.0 as f32, regions.size.1 as f32);
    if right == 0.0 || bottom == 0.0 {
        return Ok(Cow::Borrowed(&regions.boxes));
    }
    let cut = |b: &BoxXyxy| {
        [b[0].clamp(0.0, right), b[1].clamp(0.0, bottom), b[2].clamp(0.0, right), b[3].clamp(0.0, bottom)]
    };
    let outside = regions.boxes.iter().filter(|b| cut(b) != **b).count();
    if outside == 0 {
        return Ok(Cow::Borrowed(&regions.boxes));
    }
    tracing::warn!("{outside} of {count} boxes stick out of the image of {right} × {bottom} pixels and are cut to it");
    Ok(Cow::Owned(regions.boxes.iter().map(cut).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> RegionFeatures {
        let boxes = vec![[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 1.0, 1.0]];
        RegionFeatures { features: vec![0.5; 6], boxes, size: (5, 5) }
    }

    #[test]
    fn regions_out_of_range_are_refused() {
        assert!(matches!(checked_boxes(&good(), 3), Ok(Cow::Borrowed(_))));
        assert!(checked_boxes(&good(), 4).is_err());
        let none = RegionFeatures { features: vec![], boxes: vec![], size: (5, 5) };
        assert!(checked_boxes(&none, 3).is_err());
        let many = RegionFeatures { features: vec![0.0; 100_000], boxes: vec![[0.0; 4]; 100_000], size: (5, 5) };
        assert!(checked_boxes(&many, 1).unwrap_err().to_string().contains("found 100000"));
        for value in [f32::NAN, f32::INFINITY] {
            let mut bad = good();
            bad.features[4] = value;
            assert!(checked_boxes(&bad, 3).unwrap_err().to_string().contains("finite"));
        }
        for broken in [[f32::INFINITY, 0.0, 1.0, 1.0], [5.0, 0.0, 1.0, 1.0], [0.0, 3.0, 1.0, 1.0]] {
            let mut bad = good();
            bad.boxes[1] = broken;
            assert!(checked_boxes(&bad, 3).unwrap_err().to_string().starts_with("boxes"));
        }
    }

    #[test]
    fn boxes_that_stick_out_are_cut() {
        let mut out = good();
        out.boxes = vec![[-3.0, 1.0, 9.0, 4.0], [7.0, 7.0, 8.0, 8.0]];
        assert_eq!(*checked_boxes(&out, 3).unwrap(), [[0.0, 1.0, 5.0, 4.0], [5.0; 4]]);
        out.size = (0, 0);
        assert_eq!(*checked_boxes(&out, 3).unwrap(), out.boxes);
    }
}
