//! From an image file to its pixels: PNG, JPEG, WebP, BMP and GIF.
//!
//! The format is told by content and not by name. Of a GIF the first picture is read.

mod bounded;
mod containers;
mod jpeg;
mod on_white;
mod orientation;

use std::any::Any;
use std::fs::File;
use std::io::Read as _;
use std::panic::catch_unwind;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};

use crate::error::{Error, one_line};
use crate::images::decode::bounded::{MAX_DECODED_BYTES, decode_bounded, decode_webp};
use crate::images::image_content::READ;

/// Largest file that is read, in bytes.
///
/// Pixels as they are, and room for what a file holds beside them.
const MAX_FILE_BYTES: u64 = MAX_DECODED_BYTES + (128 << 20);

/// An image's pixels, upright (EXIF), on white where the image is transparent.
///
/// The calls that take an image file or its content see them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `[height, width, 3]` row-major, RGB, 0 to 255.
    pub rgb: Vec<u8>,
}

impl DecodedImage {
    /// Decodes the content of an image file, told by content.
    ///
    /// It is PNG, JPEG, WebP, BMP or GIF (its first picture). Its pixels may be given to a model as a
    /// [`PixelBuffer`](crate::PixelBuffer). At most 20,000 pixels a side, 512 MiB of pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] where it is no such image, ends in the middle, is damaged or too large, or where its decoder panics.
    /// Such a panic is caught; the program's panic hook still hears of it.
    pub fn from_bytes(encoded: &[u8]) -> crate::error::Result<DecodedImage> {
        let image = decode_bytes(encoded)?;
        Ok(DecodedImage { width: image.width(), height: image.height(), rgb: image.into_raw() })
    }
}

/// The format of an image file by its content.
///
/// `None` where it is none that is decoded.
fn format_of(encoded: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    image::guess_format(encoded).ok().filter(|format| matches!(format, Png | Jpeg | WebP | Bmp | Gif))
}

/// Decodes an image file, told by content and not by name.
///
/// It is composed on white where it is transparent; a rotation or reflection that the file's metadata (EXIF) notes is
/// applied, so that an image is as people see it.
pub(crate) fn decode_file(file: &Path) -> crate::error::Result<RgbImage> {
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
    let mut encoded = Vec::new();
    let handle = File::open(file).map_err(Error::read(file))?;
    handle.take(MAX_FILE_BYTES + 1).read_to_end(&mut encoded).map_err(Error::read(file))?;
    if encoded.len() as u64 > MAX_FILE_BYTES {
        return Err(refused(&format!("one of more than {MAX_FILE_BYTES} bytes")));
    }
    decode(&encoded, &file.display().to_string())
}

/// As [`decode_file`], for a file's content.
pub(crate) fn decode_bytes(encoded: &[u8]) -> crate::error::Result<RgbImage> {
    decode(encoded, "(bytes)")
}

/// The one place where decoders run.
///
/// Whatever they do with a file, it is at most an error of that file.
fn decode(encoded: &[u8], name: &str) -> crate::error::Result<RgbImage> {
    let panicked = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("the image is malformed, its decoder panicked: {}", text.unwrap_or("without a word")))
    };
    catch_unwind(|| upright(encoded))
        .unwrap_or_else(panicked)
        .map_err(|reason| Error::Image { image: name.to_owned(), reason: one_line(&reason) })
}

fn upright(encoded: &[u8]) -> Result<RgbImage, String> {
    let format = format_of(encoded).ok_or_else(|| format!("expected {READ}, found another content"))?;
    let (image, exif) = match format {
        ImageFormat::Jpeg => jpeg::decode(encoded)?,
        ImageFormat::WebP => {
            let exif = containers::webp(encoded)?;
            (decode_webp(encoded)?, exif)
        }
        ImageFormat::Gif => {
            containers::gif(encoded)?;
            (decode_bounded(encoded, format)?, &[][..])
        }
        ImageFormat::Png => {
            let (whole, exif) = containers::png(encoded);
            (decode_bounded(&whole, format)?, exif)
        }
        _ => (decode_bounded(encoded, format)?, &[][..]),
    };
    let mut image = on_white::composed(image, format);
    if image.width() == 0 || image.height() == 0 {
        return Err("expected at least one pixel, found none".to_owned());
    }
    let orientation = orientation::told(exif);
    if orientation != image::metadata::Orientation::NoTransforms {
        let mut turned = DynamicImage::from(image);
        turned.apply_orientation(orientation);
        image = turned.into_rgb8();
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn png(image: &RgbImage) -> Vec<u8> {
        let mut encoded = Cursor::new(Vec::new());
        image.write_to(&mut encoded, image::ImageFormat::Png).unwrap();
        encoded.into_inner()
    }

    /// A JPEG whose EXIF says how it is to be turned.
    ///
    /// It has the APP1 segment with the one tag 0x0112, right after the beginning.
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
