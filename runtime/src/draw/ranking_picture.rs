//! A ranking as a picture: the images side by side, the best first.

use std::path::Path;

use image::imageops::FilterType;
use image::{Rgb, RgbImage};

use crate::draw::boxes::write_new_png;
use crate::draw::lettering::{LINE, Line};
use crate::error::Result;
use crate::images::decode::decode_file;

/// Width and height of the square that an image is fitted into, in pixels.
const CELL: u32 = 224;
/// Space around images and words.
const MARGIN: u32 = 6;
/// Images that are shown at most.
const MOST: usize = 8;

/// Writes the first eight of the image files side by side, a line of text under each and `title` above, as PNG to the new file
/// `out`.
///
/// # Errors
/// An image that cannot be read or decoded; `out` in the way or not writable.
pub fn draw_ranking(images: &[(&Path, String)], title: &str, out: &Path) -> Result<()> {
    let shown = &images[..images.len().min(MOST)];
    let line = LINE + MARGIN;
    let width = MARGIN + (shown.len().max(1) as u32) * (CELL + MARGIN);
    let mut whole = RgbImage::from_pixel(width, 2 * line + CELL + 2 * MARGIN, Rgb([255; 3]));
    Line::set(title, width - 2 * MARGIN).draw(&mut whole, MARGIN, MARGIN);
    for (k, (file, caption)) in shown.iter().enumerate() {
        let image = decode_file(file)?;
        let ratio = f64::from(CELL) / f64::from(image.width().max(image.height()));
        let side = |side: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, CELL);
        // Small pictures keep their edges.
        let filter = if ratio > 1.0 { FilterType::Nearest } else { FilterType::Triangle };
        let fitted = image::imageops::resize(&image, side(image.width()), side(image.height()), filter);
        let left = MARGIN + k as u32 * (CELL + MARGIN);
        image::imageops::replace(&mut whole, &fitted, i64::from(left), i64::from(line + MARGIN));
        Line::set(caption, CELL).draw(&mut whole, left, line + CELL + 2 * MARGIN);
    }
    write_new_png(&whole, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        RgbImage::from_pixel(20, 10, Rgb([250, 0, 0])).save(path("a.png")).unwrap();
        RgbImage::from_pixel(400, 500, Rgb([0, 0, 250])).save(path("b.png")).unwrap();
        let (a, b) = (path("a.png"), path("b.png"));
        let images = [(a.as_path(), "0.9".to_owned()), (b.as_path(), "0.1".to_owned())];
        draw_ranking(&images, "a red thing", &path("out.png")).unwrap();
        let picture = decode_file(&path("out.png")).unwrap();
        assert_eq!(picture.width(), MARGIN + 2 * (CELL + MARGIN));
        let top = LINE + 2 * MARGIN;
        assert_eq!(picture.get_pixel(MARGIN + 5, top + 5).0, [250, 0, 0]);
        assert_eq!(picture.get_pixel(2 * MARGIN + CELL + 5, top + 200).0, [0, 0, 250]);
        assert!(picture.pixels().any(|p| p.0[0] < 60));
        draw_ranking(&[], "nothing", &path("none.png")).unwrap();
        assert!(draw_ranking(&images, "again", &path("out.png")).is_err());
    }
}
