//! Pixels in memory, in the layouts of cameras and decoders.

use image::RgbImage;

use crate::error::{Error, Result};

/// How the bytes of a pixel lie, one byte a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue and a fourth byte, which is dropped.
    Rgba,
    /// Blue, green, red and a fourth byte, which is dropped.
    Bgra,
    /// One byte of brightness.
    Grey,
}

impl PixelFormat {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            PixelFormat::Rgb | PixelFormat::Bgr => 3,
            PixelFormat::Rgba | PixelFormat::Bgra => 4,
            PixelFormat::Grey => 1,
        }
    }

    /// Where red, green and blue lie in a pixel.
    fn channels(self) -> [usize; 3] {
        match self {
            PixelFormat::Rgb | PixelFormat::Rgba => [0, 1, 2],
            PixelFormat::Bgr | PixelFormat::Bgra => [2, 1, 0],
            PixelFormat::Grey => [0, 0, 0],
        }
    }
}

/// An image in memory as cameras and decoders give it.
///
/// It has rows from the top, each of `stride` bytes, of which the first `width × format.bytes()` are pixels.
#[derive(Debug, Clone, Copy)]
pub struct PixelBuffer<'a> {
    /// The rows, one after the other; the last may end with its pixels.
    pub data: &'a [u8],
    /// 1 to 20,000 pixels.
    pub width: u32,
    /// 1 to 20,000 pixels.
    pub height: u32,
    /// Bytes from the beginning of a row to that of the next.
    pub stride: usize,
    /// How the bytes of a pixel lie.
    pub format: PixelFormat,
}

impl PixelBuffer<'_> {
    /// Longest side, in pixels.
    pub const MAX_SIDE: u32 = 20_000;

    /// A copy as RGB without gaps.
    pub(crate) fn to_rgb(self) -> Result<RgbImage> {
        for (name, side) in [("width", self.width), ("height", self.height)] {
            if side == 0 || side > Self::MAX_SIDE {
                return Err(Error::argument(name, format!("1 to {} pixels", Self::MAX_SIDE), side));
            }
        }
        let (width, height) = (self.width as usize, self.height as usize);
        let row = width * self.format.bytes();
        if self.stride < row {
            let expected = format!("at least {row} bytes, {width} pixels of {}", self.format.bytes());
            return Err(Error::argument("stride", expected, self.stride));
        }
        let needed = self.stride.checked_mul(height - 1).and_then(|before| before.checked_add(row));
        let needed = needed.ok_or_else(|| Error::argument("stride", "a size that memory has", self.stride))?;
        if self.data.len() < needed {
            return Err(Error::argument("pixels", format!("at least {needed} bytes"), self.data.len()));
        }
        let mut rgb = Vec::with_capacity(width * height * 3);
        let channels = self.format.channels();
        for line in self.data.chunks(self.stride).take(height) {
            for pixel in line[..row].chunks_exact(self.format.bytes()) {
                rgb.extend(channels.map(|channel| pixel[channel]));
            }
        }
        let found = rgb.len();
        let image = RgbImage::from_raw(self.width, self.height, rgb);
        image.ok_or_else(|| Error::argument("pixels", format!("{width} × {height} pixels"), format!("{found} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gives_the_same_picture() {
        let colour = |x: u32, y: u32| [10 * x as u8, 20 * y as u8, 7];
        let (width, height) = (3u32, 2u32);
        for (format, stride) in [
            (PixelFormat::Rgb, 9),
            (PixelFormat::Bgr, 11),
            (PixelFormat::Rgba, 12),
            (PixelFormat::Bgra, 16),
            (PixelFormat::Grey, 5),
        ] {
            let mut data = vec![0xee; stride * height as usize];
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let at = y as usize * stride + x as usize * format.bytes();
                for (channel, value) in format.channels().into_iter().zip(colour(x, y)) {
                    data[at + channel] = value;
                }
            }
            // The last row ends with its pixels.
            data.truncate(stride * (height as usize - 1) + width as usize * format.bytes());
            let image = PixelBuffer { data: &data, width, height, stride, format }.to_rgb().unwrap();
            for (x, y, pixel) in image.enumerate_pixels() {
                let expected = if format == PixelFormat::Grey { [7; 3] } else { colour(x, y) };
                assert_eq!(pixel.0, expected, "{format:?} {x} {y}");
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let data = [0; 12];
        let buffer = PixelBuffer { data: &data, width: 2, height: 2, stride: 6, format: PixelFormat::Rgb };
        assert!(buffer.to_rgb().is_ok());
        for wrong in [
            PixelBuffer { width: 0, ..buffer },
            PixelBuffer { height: 20_001, ..buffer },
            PixelBuffer { stride: 5, ..buffer },
            PixelBuffer { stride: 7, ..buffer },
            PixelBuffer { stride: usize::MAX, ..buffer },
            PixelBuffer { data: &data[..11], ..buffer },
            PixelBuffer { format: PixelFormat::Rgba, ..buffer },
        ] {
            assert!(matches!(wrong.to_rgb(), Err(Error::Argument { .. })), "{wrong:?}");
        }
    }
}
