//! Transparency, composed on white: what lies under it is no part of the picture.

use image::{DynamicImage, ImageBuffer, ImageFormat, RgbImage};

/// The image as RGB, 8 bits a channel, on white where it is transparent.
///
/// A BMP that is transparent everywhere is opaque: its writer left the fourth byte alone.
pub(super) fn composed(image: DynamicImage, format: ImageFormat) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    match image {
        DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgba16(_) => {
            // In 16 bits, so that what is opaque is rounded as an image without transparency is.
            let pixels = image.into_rgba16().into_raw();
            let rgb =
                pixels.as_chunks().0.iter().flat_map(|pixel| blended(pixel.map(u64::from), 65_535).map(|v| v as u16));
            let rgb = ImageBuffer::from_raw(width, height, rgb.collect()).unwrap_or_default();
            DynamicImage::ImageRgb16(rgb).into_rgb8()
        }
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageRgba8(_) => {
            let pixels = image.into_rgba8().into_raw();
            let pixels = pixels.as_chunks().0;
            let opaque = format == ImageFormat::Bmp && pixels.iter().all(|pixel: &[u8; 4]| pixel[3] == 0);
            let rgb = pixels.iter().flat_map(|&[r, g, b, alpha]| {
                let alpha = if opaque { 255 } else { alpha };
                blended([r, g, b, alpha].map(u64::from), 255).map(|v| v as u8)
            });
            ImageBuffer::from_raw(width, height, rgb.collect()).unwrap_or_default()
        }
        opaque => opaque.into_rgb8(),
    }
}

fn blended([r, g, b, alpha]: [u64; 4], white: u64) -> [u64; 3] {
    [r, g, b].map(|v| (v * alpha + white * (white - alpha) + white / 2) / white)
}

#[cfg(test)]
mod tests {
    use image::{LumaA, Rgba};

    use super::*;

    #[test]
    fn what_is_transparent_is_white_and_what_is_opaque_is_kept() {
        let of = |image: DynamicImage| composed(image, ImageFormat::Png).get_pixel(0, 0).0;
        for v in [0u8, 1, 77, 254, 255] {
            let wide = u16::from(v) * 257;
            let pixel = |alpha| ImageBuffer::from_pixel(1, 1, Rgba([v, 0, 255, alpha]));
            let wide_pixel = |alpha| ImageBuffer::from_pixel(1, 1, Rgba([wide, 0, 65_535, alpha]));
            assert_eq!(of(DynamicImage::ImageRgba8(pixel(255))), [v, 0, 255]);
            assert_eq!(of(DynamicImage::ImageRgba8(pixel(0))), [255; 3]);
            assert_eq!(of(DynamicImage::ImageRgba16(wide_pixel(65_535))), [v, 0, 255]);
            assert_eq!(of(DynamicImage::ImageRgba16(wide_pixel(0))), [255; 3]);
            assert_eq!(of(DynamicImage::ImageRgba8(pixel(51)))[1], 204);
            assert_eq!(of(DynamicImage::ImageRgba16(wide_pixel(51 * 257)))[1], 204);
            assert_eq!(of(DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(1, 1, LumaA([v, 255])))), [v; 3]);
            assert_eq!(of(DynamicImage::ImageLumaA16(ImageBuffer::from_pixel(1, 1, LumaA([wide, 0])))), [255; 3]);
        }
    }

    #[test]
    fn a_bmp_whose_fourth_byte_is_nowhere_set_is_opaque() {
        let image = |alpha| ImageBuffer::from_fn(2, 1, |x, _| Rgba([1, 2, 3, alpha * x as u8])).into();
        assert_eq!(composed(image(0), ImageFormat::Bmp).into_raw(), [1, 2, 3, 1, 2, 3]);
        assert_eq!(composed(image(255), ImageFormat::Bmp).into_raw(), [255, 255, 255, 1, 2, 3]);
        assert_eq!(composed(image(0), ImageFormat::Png).into_raw(), [255; 6]);
    }
}
