//! Boxes drawn on a picture, and the new PNG files of all pictures.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::write_atomically;

use crate::error::{Error, Result};
use crate::images::decode::decode_file;

/// Colours of boxes, in turn; they differ in lightness too.
const COLOURS: [[u8; 3]; 6] =
    [[230, 57, 70], [29, 120, 196], [42, 157, 88], [244, 162, 39], [131, 56, 180], [0, 188, 212]];

/// Writes the image in the file `image` with `boxes` drawn on it, each in another colour, as PNG to the new file `out`. Lines
/// are as wide as a 200th of the image's shorter side, at least 2 pixels, and lie inside the boxes' edges.
///
/// # Errors
/// An image that cannot be read or decoded; `out` in the way or not writable.
pub fn draw_boxes(image: &Path, boxes: &[BoxXyxy], out: &Path) -> Result<()> {
    let mut picture = decode_file(image)?;
    let width = (picture.width().min(picture.height()) / 200).max(2);
    for (number, corners) in boxes.iter().enumerate() {
        outline(&mut picture, corners, width, Rgb(COLOURS[number % COLOURS.len()]));
    }
    write_new_png(&picture, out)
}

/// Writes a picture as PNG to the new file `out`.
pub(crate) fn write_new_png(picture: &RgbImage, out: &Path) -> Result<()> {
    if out.symlink_metadata().is_ok() {
        return Err(mmnas_bundle::Error::Exists { path: out.to_path_buf() }.into());
    }
    let mut png = Cursor::new(Vec::new());
    let failed = |e: image::ImageError| Error::Image { image: out.display().to_string(), reason: e.to_string() };
    picture.write_to(&mut png, ImageFormat::Png).map_err(failed)?;
    Ok(write_atomically(out, png.get_ref())?)
}

fn outline(picture: &mut RgbImage, corners: &BoxXyxy, width: u32, colour: Rgb<u8>) {
    // Casting cuts what is negative, too large or not a number to the range of pixels.
    let [left, top, right, bottom] = corners.map(|v| v.round() as u32);
    let (right, bottom) =
        (right.min(picture.width().saturating_sub(1)), bottom.min(picture.height().saturating_sub(1)));
    for y in top..=bottom {
        for x in left..=right {
            let inside = x >= left.saturating_add(width)
                && x.saturating_add(width) <= right
                && y >= top.saturating_add(width)
                && y.saturating_add(width) <= bottom;
            if !inside {
                picture.put_pixel(x, y, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_outlined_inside_its_edges() {
        let mut picture = RgbImage::new(20, 10);
        outline(&mut picture, &[2.0, 3.0, 12.0, 8.0], 2, Rgb([255, 0, 0]));
        let red = |x, y| picture.get_pixel(x, y).0[0] == 255;
        assert!(red(2, 3) && red(12, 8) && red(3, 4) && red(7, 3) && red(7, 8) && red(2, 6));
        assert!(!red(7, 6) && !red(1, 3) && !red(13, 8) && !red(7, 9));
        for odd in [[-5.0, -5.0, 1e9, 1e9], [f32::NAN; 4], [15.0, 5.0, 3.0, 2.0]] {
            outline(&mut picture, &odd, 2, Rgb([0, 255, 0]));
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (image, out) = (folder.path().join("a.png"), folder.path().join("b.png"));
        RgbImage::new(8, 8).save(&image).unwrap();
        draw_boxes(&image, &[[1.0, 1.0, 5.0, 5.0]], &out).unwrap();
        assert_eq!(decode_file(&out).unwrap().dimensions(), (8, 8));
        assert!(matches!(draw_boxes(&image, &[], &out), Err(Error::Bundle(mmnas_bundle::Error::Exists { .. }))));
    }
}
