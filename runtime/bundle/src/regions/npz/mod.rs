//! Region features as published tools write them, one `.npz` an image.
//!
//! | array | what |
//! |---|---|
//! | `x`, or `features` | D × n or n × D floats of 16, 32 or 64 bits; `bbox` tells which |
//! | `bbox`, or `boxes` | n × 4: x1 y1 x2 y2 in pixels, or from 0 to 1 where no box of an image ends beyond 1. A fifth column may be the area, a fifth and sixth width and height |
//! | `num_bbox`, or `num_boxes` | how many of the n are regions, the first ones; the others fill the table up. It may be missing: then rows of zeros at the end do |
//! | `image_h`, `image_w` | height and width of the image in pixels. Both may be missing where boxes are in pixels |
//! | `vision_sha256` | of our own files alone: what `features.json` says of packed features, one byte a letter |
//!
//! Other arrays are not looked at.

mod archive;
#[cfg(test)]
mod tests;

use std::io::Cursor;
use std::path::Path;

use archive::Archive;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, arr0, s};
use ndarray_npy::NpzWriter;

use crate::boxes::BoxXyxy;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::regions::published_regions::{PublishedPlace, published_regions};
use crate::regions::region_features::RegionFeatures;

const FEATURES: [&str; 2] = ["x", "features"];
const BOXES: [&str; 2] = ["bbox", "boxes"];
const COUNT: [&str; 2] = ["num_bbox", "num_boxes"];
const SIZE: [&str; 2] = ["image_w", "image_h"];
const VISION: &str = "vision_sha256";

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct NpzFeatures {
    /// The regions.
    pub regions: RegionFeatures,
    /// D, width of a region's features.
    pub feature: usize,
    /// What [`FeatureStore::vision_sha256`](crate::FeatureStore::vision_sha256) says of packed features, where the file says it.
    pub vision_sha256: Option<String>,
}

/// Whether a file's name ends in `.npz`, in letters of any case.
pub fn is_called_npz(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"))
}

/// Reads `file`, whose arrays the [module](self) describes.
///
/// Of more than `max_regions` regions the first are kept.
///
/// # Errors
/// A missing array, or one of pickled objects; shapes that do not fit each other, or fit in two ways; no region; a number that is
/// not finite; a box whose corners are the wrong way round; further columns of boxes that are not what they may be.
pub fn read(file: &Path, max_regions: usize) -> Result<NpzFeatures> {
    let mut npz = Archive::open(file)?;
    let place = PublishedPlace { file, features: npz.first_of(&FEATURES), boxes: npz.first_of(&BOXES) };
    let boxes = npz.numbers(place.boxes)?;
    let (n, columns) = boxes.dim();
    if !(4..=6).contains(&columns) || n == 0 {
        return Err(npz.invalid(place.boxes, "n × 4 numbers, n ≥ 1", format!("{n} × {columns}")));
    }
    let vision_sha256 = npz.text(VISION)?;
    let features = npz.floats(place.features)?;
    // What we write is as the published tools first left it, whatever the shape allows.
    let rows = match (features.dim(), &vision_sha256) {
        ((d, regions), _) if regions == n && d != n && d > 0 => features.t(),
        ((regions, d), _) if regions == n && d != n && d > 0 => features.view(),
        ((regions, d), Some(_)) if regions == n && d == n => features.t(),
        ((a, b), _) => {
            let expected = if a == n && b == n { "another number of features than of regions" } else { "numbers for" };
            let expected = format!("{expected} {n} boxes, D × {n} or {n} × D");
            return Err(npz.invalid(place.features, expected, format!("{a} × {b}")));
        }
    };
    let size = match SIZE.map(|name| npz.has(name)) {
        [false, false] => (0, 0),
        _ => (npz.count(SIZE[0], "pixels")?, npz.count(SIZE[1], "pixels")?),
    };
    let count = npz.first_of(&COUNT);
    let used = if npz.has(count) { npz.count(count, "regions")? as usize } else { n };
    if used > n {
        return Err(npz.invalid(count, format!("at most {n}, as {} has rows", place.boxes), used));
    }
    let kept = used.min(max_regions);
    let boxes = boxes.slice(s![..kept, ..]);
    if let Some(at) = boxes.outer_iter().position(|row| !fits_corners(row, size)) {
        let expected = "x1 y1 x2 y2, then nothing, the area, or width and height";
        return Err(npz.invalid(place.boxes, expected, format!("{} for region {at}", boxes.row(at))));
    }
    let corners = |row: ArrayView1<'_, f64>| [row[0], row[1], row[2], row[3]].map(|v| v as f32);
    let boxes: Vec<BoxXyxy> = boxes.outer_iter().map(corners).collect();
    let features: Vec<f32> = rows.slice(s![..kept, ..]).iter().copied().collect();
    let feature = rows.ncols();
    Ok(NpzFeatures { regions: published_regions(features, boxes, size, &place)?, feature, vision_sha256 })
}

/// Whether what follows the corners of a box follows from them.
///
/// Another order of columns, such as a number before the corners, would be taken for other boxes. A width counts both
/// edge pixels or does not; all may be in parts of the image.
fn fits_corners(row: ArrayView1<'_, f64>, size: (u32, u32)) -> bool {
    let (w, h) = (row[2] - row[0], row[3] - row[1]);
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-2 * expected.abs() + 1e-3;
    let side = |found: f64, side: f64| near(found, side) || near(found, side + 1.0);
    let all = f64::from(size.0) * f64::from(size.1);
    let area = |found: f64| {
        let areas = [w * h, (w + 1.0) * (h + 1.0)];
        areas.iter().any(|&area| near(found, area) || (all > 0.0 && near(found, area / all)))
    };
    match row.len() {
        4 => true,
        5 => area(row[4]),
        _ => side(row[4], w) && side(row[5], h),
    }
}

/// Writes the regions of an image to the new file `file`.
///
/// Each has `feature` numbers: `x` D × n and `bbox` n × 4 in f32, `image_h` and `image_w` in i64, `vision_sha256` in u8
/// if it is given.
///
/// # Errors
/// Numbers that are not `feature` a box; a file that is in the way or cannot be written.
pub fn write(file: &Path, regions: &RegionFeatures, feature: usize, vision_sha256: Option<&str>) -> Result<()> {
    if file.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: file.to_path_buf() });
    }
    let n = regions.boxes.len();
    let found = format!("{} numbers", regions.features.len());
    let rows = ArrayView2::from_shape((n, feature), &regions.features);
    let rows = rows.map_err(|_| Error::invalid(file, "x", format!("{n} boxes × {feature} features"), found))?;
    // Row by row in the file, as the published tools leave it.
    let columns = rows.t().as_standard_layout().into_owned();
    let corners: Vec<f32> = regions.boxes.iter().flatten().copied().collect();
    let boxes = Array2::from_shape_vec((n, 4), corners);
    let boxes = boxes.map_err(|e| Error::invalid(file, "bbox", format!("{n} × 4 numbers"), e))?;
    let (width, height) = (i64::from(regions.size.0), i64::from(regions.size.1));
    let failed = |e: ndarray_npy::WriteNpzError| Error::io(file, "write")(std::io::Error::other(e));
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    writer.add_array(FEATURES[0], &columns).map_err(failed)?;
    writer.add_array(BOXES[0], &boxes).map_err(failed)?;
    writer.add_array(SIZE[1], &arr0(height)).map_err(failed)?;
    writer.add_array(SIZE[0], &arr0(width)).map_err(failed)?;
    if let Some(sha256) = vision_sha256 {
        writer.add_array(VISION, &Array1::from_iter(sha256.bytes())).map_err(failed)?;
    }
    write_atomically(file, writer.finish().map_err(failed)?.get_ref())
}
