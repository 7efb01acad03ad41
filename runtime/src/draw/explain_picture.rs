//! An explanation as a picture: regions shaded, words weighted.

use std::path::Path;

use image::imageops::FilterType;
use image::{Rgb, RgbImage};

use crate::draw::boxes::write_new_png;
use crate::draw::lettering::{LINE, Line};
use crate::error::Result;
use crate::images::decode::decode_file;
use crate::tasks::explain::Explanation;

/// The shorter side that small images are enlarged to, in pixels, so that words fit under them.
const LEAST_SIDE: u32 = 384;
/// What regions and words are coloured with.
const COLOUR: [f32; 3] = [255.0, 120.0, 0.0];
/// How much of the colour the heaviest region gets, and how much light the lightest keeps.
const HEAVIEST: f32 = 0.45;
const LIGHTEST: f32 = 0.35;
/// Space around words.
const MARGIN: u32 = 6;

/// Writes the image in the file `image`, its regions shaded by their weights, with the words and `title` under it, as PNG to
/// the new file `out`. A word's ground is the darker the more it counts.
///
/// # Errors
/// An image that cannot be read or decoded; `out` in the way or not writable.
pub fn draw_explanation(image: &Path, explanation: &Explanation, title: &str, out: &Path) -> Result<()> {
    let picture = decode_file(image)?;
    write_new_png(&explanation_picture(&picture, explanation, title), out)
}

/// As [`draw_explanation`] in memory.
pub(crate) fn explanation_picture(image: &RgbImage, explanation: &Explanation, title: &str) -> RgbImage {
    let (width, height) = image.dimensions();
    let factor = LEAST_SIDE.div_ceil(width.min(height).max(1)).max(1);
    // What is far from square would become huge.
    let factor = if u64::from(width.max(height)) * u64::from(factor) > 4096 { 1 } else { factor };
    let mut picture = image.clone();
    shade(&mut picture, explanation);
    if factor > 1 {
        picture = image::imageops::resize(&picture, width * factor, height * factor, FilterType::Nearest);
    }
    let lines = layout(explanation, picture.width());
    let line = LINE + 2 * MARGIN;
    let band = MARGIN + line * (lines.len() as u32 + u32::from(!title.is_empty()));
    let mut whole = RgbImage::from_pixel(picture.width(), picture.height() + band, Rgb([255; 3]));
    image::imageops::replace(&mut whole, &picture, 0, 0);
    let heaviest = explanation.words.iter().map(|w| w.weight).fold(f32::MIN_POSITIVE, f32::max);
    let mut y = picture.height() + MARGIN;
    for words in lines {
        for Word { x, text, weight } in words {
            let strength = weight / heaviest * 0.8;
            let ground = COLOUR.map(|c| (255.0 + (c - 255.0) * strength) as u8);
            let right = (x + text.width() + MARGIN).min(whole.width());
            for (px, py) in (y..y + LINE + MARGIN).flat_map(|py| (x..right).map(move |px| (px, py))) {
                whole.put_pixel(px, py, Rgb(ground));
            }
            text.draw(&mut whole, x + MARGIN / 2, y + MARGIN / 2);
        }
        y += line;
    }
    Line::set(title, whole.width().saturating_sub(2 * MARGIN)).draw(&mut whole, MARGIN, y + MARGIN / 2);
    whole
}

/// A word and where its ground begins.
struct Word {
    x: u32,
    text: Line,
    weight: f32,
}

/// Sets the words in lines that fit into `width` pixels.
fn layout(explanation: &Explanation, width: u32) -> Vec<Vec<Word>> {
    let mut lines: Vec<Vec<Word>> = vec![Vec::new()];
    let mut x = MARGIN;
    for word in &explanation.words {
        let text = Line::set(&word.word, width.saturating_sub(3 * MARGIN));
        let needed = text.width() + 2 * MARGIN;
        if x > MARGIN && x + needed > width {
            lines.push(Vec::new());
            x = MARGIN;
        }
        if let Some(line) = lines.last_mut() {
            line.push(Word { x, text, weight: word.weight });
        }
        x += needed;
    }
    lines
}

/// Darkens what counts little and colours what counts much. Where regions overlap their weights per area add up.
fn shade(picture: &mut RgbImage, explanation: &Explanation) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut heat = vec![0.0f32; width * height];
    for region in &explanation.regions {
        // Casting cuts what is negative, too large or not a number to the range of pixels.
        let [left, top, right, bottom] = region.box_xyxy.map(|v| v.round() as usize);
        let (right, bottom) = (right.min(width.saturating_sub(1)), bottom.min(height.saturating_sub(1)));
        if left > right || top > bottom {
            continue;
        }
        let density = region.weight / ((right - left + 1) * (bottom - top + 1)) as f32;
        for row in heat.chunks_exact_mut(width).take(bottom + 1).skip(top) {
            row[left..=right].iter_mut().for_each(|value| *value += density);
        }
    }
    let most = heat.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    for (pixel, heat) in picture.pixels_mut().zip(heat) {
        let strength = heat / most;
        let light = LIGHTEST + (1.0 - LIGHTEST) * strength;
        for (channel, colour) in pixel.0.iter_mut().zip(COLOUR) {
            let dimmed = f32::from(*channel) * light;
            *channel = (dimmed + (colour - dimmed) * HEAVIEST * strength) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::explain::{RegionWeight, WordWeight};

    fn word(word: &str, weight: f32) -> WordWeight {
        WordWeight { word: word.to_owned(), weight }
    }

    #[test]
    fn what_counts_is_bright_and_coloured() {
        let explanation = Explanation {
            words: vec![word("what", 0.1), word("colour", 0.9)],
            regions: vec![
                RegionWeight { box_xyxy: [0.0, 0.0, 31.0, 63.0], weight: 0.9 },
                RegionWeight { box_xyxy: [32.0, 0.0, 63.0, 63.0], weight: 0.1 },
            ],
        };
        let image = RgbImage::from_pixel(64, 64, Rgb([100; 3]));
        let picture = explanation_picture(&image, &explanation, "red 0.98");
        assert_eq!(picture.width(), 384);
        let (heavy, light) = (picture.get_pixel(90, 100).0, picture.get_pixel(300, 100).0);
        assert!(heavy[0] > light[0] + 50 && heavy[0] > heavy[2], "{heavy:?} {light:?}");
        // The grounds of the words, left of their letters.
        let next = MARGIN + Line::set("what", 300).width() + 2 * MARGIN;
        let (first, second) = (picture.get_pixel(MARGIN + 1, 392).0, picture.get_pixel(next + 1, 392).0);
        assert!(second[2] < first[2] && first[2] > 200, "{first:?} {second:?}");
        let dark = picture.pixels().filter(|p| p.0[0] < 60).count();
        assert!(dark > 200, "{dark}");
    }

    #[test]
    fn odd_sizes_and_letters_do_no_harm() {
        for (width, height) in [(1, 1), (3000, 2), (1, 700)] {
            let odd = [[f32::NAN; 4], [-9.0, -9.0, 1e9, 1e9], [5.0, 5.0, 1.0, 1.0]];
            let regions = odd.map(|box_xyxy| RegionWeight { box_xyxy, weight: 0.3 }).to_vec();
            let words = vec![word("ąę", 0.5), word(&"long".repeat(500), 0.5), word("", 0.0)];
            explanation_picture(&RgbImage::new(width, height), &Explanation { words, regions }, "語");
        }
    }
}
