//! Words in pictures, in a bitmap font.

use font8x8::UnicodeFonts as _;
use image::{Rgb, RgbImage};

/// Pixels of a letter's dot.
const DOT: u32 = 2;
/// Width and height of a letter.
pub(crate) const LETTER: u32 = 8 * DOT;

/// Pixels that a text is wide.
pub(crate) fn text_width(text: &str) -> u32 {
    // Words come from texts of at most some thousand letters.
    text.chars().count().min(1 << 16) as u32 * LETTER
}

/// Writes black letters; those that the font does not have become a box.
pub(crate) fn write(picture: &mut RgbImage, text: &str, x: u32, y: u32) {
    for (number, letter) in text.chars().enumerate().take(1 << 12) {
        let rows = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let rows = rows.unwrap_or([0xff, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0xff]);
        let left = x + number as u32 * LETTER;
        for (dy, dx) in (0..LETTER).flat_map(|dy| (0..LETTER).map(move |dx| (dy, dx))) {
            let set = rows[(dy / DOT) as usize] & 1 << (dx / DOT) != 0;
            if set && left + dx < picture.width() && y + dy < picture.height() {
                picture.put_pixel(left + dx, y + dy, Rgb([0; 3]));
            }
        }
    }
}
