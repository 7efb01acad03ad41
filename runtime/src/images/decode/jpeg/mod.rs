//! JPEG: checked whole, then decoded by the decoder that reads its kind right.
//!
//! zune-jpeg (by `image`) is the faster one. It misreads, without a word, components in scans of their own, sampling where the
//! first component is not the finest, and some colours; it gets only what it reads as libjpeg does. jpeg-decoder reads the rest.

mod bits;
mod blocks;
mod file;

use std::io::Read as _;

use image::{DynamicImage, ImageFormat, RgbImage};
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use crate::images::decode::bounded::{MAX_DECODED_BYTES, decode_bounded};
use crate::images::decode::jpeg::blocks::{Component, Frame};
use crate::images::decode::jpeg::file::Jpeg;

/// How a file's components become colours, as libjpeg tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

fn colours(jpeg: &Jpeg<'_>) -> Colours {
    match (jpeg.frame.components.len(), jpeg.adobe) {
        (1, _) => Colours::Grey,
        (4, Some(0) | None) => Colours::Cmyk,
        (4, _) => Colours::Ycck,
        _ if jpeg.jfif => Colours::YCbCr,
        (_, Some(0)) => Colours::Rgb,
        (_, None) if named_rgb(&jpeg.frame) => Colours::Rgb,
        _ => Colours::YCbCr,
    }
}

fn named_rgb(frame: &Frame) -> bool {
    frame.components.iter().map(|c| c.id).eq(*b"RGB")
}

/// Whether zune-jpeg reads the file as libjpeg does.
fn usual(jpeg: &Jpeg<'_>) -> bool {
    let frame = &jpeg.frame;
    let scans = frame.progressive || matches!(&jpeg.scans[..], [all] if all.len() == frame.components.len());
    let finest = frame.components.first().is_some_and(|c| (c.across, c.down) == frame.most());
    let power = |c: &Component| c.across.is_power_of_two() && c.down.is_power_of_two();
    let colours = match colours(jpeg) {
        Colours::YCbCr => !named_rgb(frame) && jpeg.adobe != Some(0),
        Colours::Ycck => jpeg.adobe == Some(2),
        Colours::Grey | Colours::Rgb | Colours::Cmyk => true,
    };
    scans && finest && colours && frame.components.iter().all(power)
}

/// Refuses a file where jpeg-decoder counts the blocks of a scan wrongly.
///
/// In a scan of one component it takes the whole picture's width and height for the component's, which differ where a
/// factor is neither 1 nor the largest.
fn countable(jpeg: &Jpeg<'_>) -> Result<(), String> {
    let frame = &jpeg.frame;
    let (most_across, most_down) = frame.most();
    for component in jpeg.scans.iter().filter(|scan| scan.len() == 1).map(|scan| &frame.components[scan[0]]) {
        let counted = |size: u32, factor: u32, most: u32| (size.div_ceil(8 * most) * factor).min(size.div_ceil(8));
        let across = counted(frame.width, component.across, most_across);
        if (across, counted(frame.height, component.down, most_down)) != frame.alone(component) {
            let Component { across, down, .. } = component;
            return Err(format!(
                "expected scans of one component whose sampling factors are 1 or the largest, found {across} by {down} of \
                 {most_across} by {most_down}"
            ));
        }
    }
    Ok(())
}

/// As RGB; and the EXIF data of the file.
pub(super) fn decode(file: &[u8]) -> Result<(DynamicImage, &[u8]), String> {
    let jpeg = Jpeg::read(file)?;
    let image = if usual(&jpeg) { decode_bounded(file, ImageFormat::Jpeg)? } else { unusual(file, &jpeg)?.into() };
    Ok((image, jpeg.exif.unwrap_or_default()))
}

fn unusual(file: &[u8], jpeg: &Jpeg<'_>) -> Result<RgbImage, String> {
    countable(jpeg)?;
    // The end marker may be missing.
    let mut decoder = Decoder::new(file.chain(&b"\xff\xd9"[..]));
    decoder.set_max_decoding_buffer_size(MAX_DECODED_BYTES as usize);
    decoder.set_color_transform(match colours(jpeg) {
        Colours::Grey => ColorTransform::Grayscale,
        Colours::Rgb => ColorTransform::RGB,
        Colours::YCbCr => ColorTransform::YCbCr,
        Colours::Cmyk => ColorTransform::CMYK,
        Colours::Ycck => ColorTransform::YCCK,
    });
    let pixels = decoder.decode().map_err(|e| e.to_string())?;
    let rgb = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::RGB24) => pixels,
        Some(PixelFormat::L8) => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        // Inks from 0 to 255.
        Some(PixelFormat::CMYK32) => {
            let light = |ink: u8, black: u8| ((255 - u32::from(ink)) * (255 - u32::from(black)) / 255) as u8;
            pixels.as_chunks().0.iter().flat_map(|&[c, m, y, k]| [light(c, k), light(m, k), light(y, k)]).collect()
        }
        Some(PixelFormat::L16) | None => return Err("expected 8 bits a sample, found 16".to_owned()),
    };
    let size = (jpeg.frame.width, jpeg.frame.height);
    RgbImage::from_raw(size.0, size.1, rgb)
        .ok_or_else(|| format!("expected {} by {} pixels, found another number", size.0, size.1))
}
