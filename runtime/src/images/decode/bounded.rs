//! Decoding within bounds of size and memory.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgba};

/// Longest side of an image that is decoded, in pixels.
const MAX_SIDE: u32 = 20_000;
/// Most memory that the pixels of one image may take, in bytes.
pub(super) const MAX_DECODED_BYTES: u64 = 512 << 20;

/// What a decoder may take.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    limits
}

/// Refuses an image that is too large.
///
/// It counts both the image in the file, with `bytes` a pixel, and the RGB that it becomes.
pub(super) fn fits(width: u32, height: u32, bytes: u64) -> Result<(), String> {
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(format!("expected at most {MAX_SIDE} pixels a side, found {width} by {height}"));
    }
    match bytes.max(3) * u64::from(width) * u64::from(height) {
        bytes if bytes > MAX_DECODED_BYTES => {
            Err(format!("expected at most {MAX_DECODED_BYTES} bytes of pixels, found {bytes}"))
        }
        _ => Ok(()),
    }
}

/// Decodes a file of a known format.
pub(super) fn decode_bounded(encoded: &[u8], format: ImageFormat) -> Result<DynamicImage, String> {
    let mut reader = ImageReader::with_format(Cursor::new(encoded), format);
    reader.limits(limits());
    pixels(reader.into_decoder().map_err(|e| e.to_string())?)
}

/// Decodes a WebP file, the first picture of an animation on white.
pub(super) fn decode_webp(encoded: &[u8]) -> Result<DynamicImage, String> {
    let mut decoder = WebPDecoder::new(Cursor::new(encoded)).map_err(|e| e.to_string())?;
    decoder.set_limits(limits()).map_err(|e| e.to_string())?;
    if decoder.has_animation() {
        // Where the first picture does not reach, also without transparency.
        decoder.set_background_color(Rgba([255, 255, 255, 0])).map_err(|e| e.to_string())?;
    }
    pixels(decoder)
}

fn pixels(decoder: impl ImageDecoder) -> Result<DynamicImage, String> {
    let (width, height) = decoder.dimensions();
    fits(width, height, u64::from(decoder.color_type().bytes_per_pixel()))?;
    DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())
}
