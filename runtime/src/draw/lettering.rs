//! Words in pictures, in a proportional font.

use std::sync::LazyLock;

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use image::{Rgb, RgbImage};
use read_fonts::model::glyph::outline::PathSink;
use read_fonts::tables::cmap::Cmap;
use read_fonts::tables::glyf::outline::{Outline, OutlineTables, PathContourStart, ScaleF32};
use read_fonts::tables::hmtx::Hmtx;
use read_fonts::tables::kern::{Kern, SubtableKind};
use read_fonts::types::GlyphId;
use read_fonts::{FontRef, ReadError, TableProvider as _};

/// Pixels of an em. Small letters are 12 pixels high then and capitals 16: whole pixels, so edges are sharp.
const EM: f32 = 22.4;
/// Pixels from a line's top to its baseline.
const ASCENT: i64 = 22;
/// Height of a line in pixels.
pub(crate) const LINE: u32 = 28;
/// Letters that are set at most. They fill any picture; marks alone, which have no width, would not end.
const MOST: usize = 1 << 14;

static FONT: LazyLock<Option<Font>> = LazyLock::new(|| {
    Font::read(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fonts/NotoSans-subset.ttf"))).ok()
});

/// The tables of a font that drawing needs.
struct Font {
    cmap: Cmap<'static>,
    metrics: Hmtx<'static>,
    kern: Kern<'static>,
    outlines: OutlineTables<'static>,
}

impl Font {
    fn read(data: &'static [u8]) -> Result<Self, ReadError> {
        let font = FontRef::new(data)?;
        let (cmap, metrics) = (font.cmap()?, font.hmtx()?);
        Ok(Self { cmap, metrics, kern: font.kern()?, outlines: OutlineTables::new(&font)? })
    }

    /// Pixels of a length in units of the font.
    fn pixels(&self, units: i32) -> f32 {
        units as f32 * EM / f32::from(self.outlines.units_per_em)
    }

    fn glyph(&self, letter: char) -> Option<GlyphId> {
        self.cmap.map_codepoint(letter)
    }

    fn advance(&self, glyph: GlyphId) -> f32 {
        self.pixels(self.metrics.advance(glyph).unwrap_or(0).into())
    }

    /// How far the second glyph moves to the right, where it follows the first.
    fn kerning(&self, first: GlyphId, second: GlyphId) -> f32 {
        let units = self.kern.subtables().flatten().find_map(|table| match table.kind() {
            Ok(SubtableKind::Format0(pairs)) => pairs.kerning(first, second),
            _ => None,
        });
        self.pixels(units.unwrap_or(0))
    }

    /// The middle of a glyph's ink, right of its origin.
    fn middle(&self, glyph: GlyphId) -> f32 {
        let ink = self.outlines.loca.get_glyf(glyph, &self.outlines.glyf).ok().flatten();
        ink.map_or(0.0, |ink| self.pixels(i32::from(ink.x_min()) + i32::from(ink.x_max())) / 2.0)
    }

    /// The glyphs of a text. A letter and a mark become one where the font has both as one.
    fn glyphs(&self, text: &str) -> Vec<GlyphId> {
        let mut letters: Vec<(char, GlyphId)> = Vec::new();
        for letter in text.chars().take(MOST) {
            let letter = if letter.is_whitespace() || letter.is_control() { ' ' } else { letter };
            let composed = letters.last().and_then(|last| unicode_normalization::char::compose(last.0, letter));
            let composed = composed.and_then(|letter| Some((letter, self.glyph(letter)?)));
            match (letters.last_mut(), composed) {
                (Some(last), Some(composed)) => *last = composed,
                // What the font draws in place of a letter that it lacks is a box.
                _ => letters.push((letter, self.glyph(letter).unwrap_or(GlyphId::NOTDEF))),
            }
        }
        letters.into_iter().map(|(_, glyph)| glyph).collect()
    }
}

/// A glyph and its place.
struct Placed {
    glyph: GlyphId,
    /// Its origin.
    x: f32,
    /// Where the next glyph goes, but for kerning.
    end: f32,
}

/// A line of text that is set: its glyphs have places.
#[derive(Default)]
pub(crate) struct Line {
    placed: Vec<Placed>,
}

impl Line {
    /// Sets a text. One that is wider than `most` pixels is cut and ends in an ellipsis.
    pub(crate) fn set(text: &str, most: u32) -> Self {
        let (mut line, most) = (Self::default(), most as f32);
        let Some(font) = FONT.as_ref() else { return line };
        for glyph in font.glyphs(text) {
            line.push(font, glyph);
            if line.end() > most {
                line.cut(font, most);
                break;
            }
        }
        line
    }

    /// Pixels that the line is wide.
    pub(crate) fn width(&self) -> u32 {
        self.end().ceil() as u32
    }

    /// Draws the line in black, its left upper corner at `x` and `y`. What lies outside the picture is left out.
    pub(crate) fn draw(&self, picture: &mut RgbImage, x: u32, y: u32) {
        let Some(font) = FONT.as_ref() else { return };
        let mut outline = Outline::<ScaleF32>::new();
        for Placed { glyph, x: origin, .. } in &self.placed {
            let Ok(shape) = outline.load(&font.outlines, *glyph, Some(EM)) else { continue };
            let sides = |side: fn(f32, f32) -> f32, start: f32| {
                shape.points().iter().fold((start, start), |found, p| (side(found.0, p.x), side(found.1, p.y)))
            };
            let ((left, bottom), (right, top)) = (sides(f32::min, f32::INFINITY), sides(f32::max, f32::NEG_INFINITY));
            if left > right {
                continue;
            }
            // Whole pixels that hold the glyph; the baseline is between two rows.
            let (column, row) = ((origin + left).floor(), (-top).floor());
            let (width, height) = ((origin + right).ceil() - column, (-bottom).ceil() - row);
            let mut pen = Pen::new(width as usize, height as usize, point(origin - column, -row));
            if !shape.to_path(PathContourStart::ScanBackward, &mut pen) {
                continue;
            }
            let (column, row) = (i64::from(x) + column as i64, i64::from(y) + ASCENT + row as i64);
            pen.raster.for_each_pixel_2d(|dx, dy, cover| {
                let inside = |at: i64, side: u32| u32::try_from(at).ok().filter(|at| *at < side);
                let at =
                    inside(column + i64::from(dx), picture.width()).zip(inside(row + i64::from(dy), picture.height()));
                if let Some((x, y)) = at {
                    let Rgb(pixel) = picture.get_pixel_mut(x, y);
                    *pixel = pixel.map(|channel| (f32::from(channel) * (1.0 - cover.min(1.0))).round() as u8);
                }
            });
        }
    }

    fn end(&self) -> f32 {
        self.placed.last().map_or(0.0, |last| last.end)
    }

    fn push(&mut self, font: &Font, glyph: GlyphId) {
        let advance = font.advance(glyph);
        let placed = match self.placed.last() {
            // A mark, which goes over the middle of the letter before.
            Some(last) if advance == 0.0 => {
                Placed { glyph, x: (last.x + last.end) / 2.0 - font.middle(glyph), end: last.end }
            }
            Some(last) => {
                let x = last.end + font.kerning(last.glyph, glyph);
                Placed { glyph, x, end: x + advance }
            }
            None => Placed { glyph, x: 0.0, end: advance },
        };
        self.placed.push(placed);
    }

    /// Takes glyphs from the end until an ellipsis fits.
    fn cut(&mut self, font: &Font, most: f32) {
        let Some(ellipsis) = font.glyph('…') else { return };
        let room = most - font.advance(ellipsis);
        while self.placed.last().is_some_and(|last| last.end > room) {
            self.placed.pop();
        }
        if room >= 0.0 {
            self.push(font, ellipsis);
        }
    }
}

/// Fills an outline, whose y grows upwards.
struct Pen {
    raster: Rasterizer,
    /// The outline's origin in the raster.
    origin: Point,
    start: Point,
    last: Point,
}

impl Pen {
    fn new(width: usize, height: usize, origin: Point) -> Self {
        Self { raster: Rasterizer::new(width, height), origin, start: origin, last: origin }
    }

    fn place(&self, x: f32, y: f32) -> Point {
        point(self.origin.x + x, self.origin.y - y)
    }
}

impl PathSink for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = self.place(x, y);
        self.last = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_line(self.last, to);
        self.last = to;
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_quad(self.last, self.place(cx0, cy0), to);
        self.last = to;
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_cubic(self.last, self.place(cx0, cy0), self.place(cx1, cy1), to);
        self.last = to;
    }

    fn close(&mut self) {
        self.raster.draw_line(self.last, self.start);
        self.last = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> RgbImage {
        let mut picture = RgbImage::from_pixel(300, LINE + 10, Rgb([255; 3]));
        Line::set(text, 290).draw(&mut picture, 5, 5);
        picture
    }

    /// The darkness of rows, counted from the line's top.
    fn ink(picture: &RgbImage, rows: std::ops::Range<u32>) -> u32 {
        let row = |y: u32| (0..picture.width()).map(|x| 255 - u32::from(picture.get_pixel(x, y + 5).0[0])).sum::<u32>();
        rows.map(row).sum()
    }

    #[test]
    fn every_letter_widens_a_text() {
        let width = |text: &str| Line::set(text, 10_000).width();
        assert_eq!(width(""), 0);
        let text = "Größe, ŁÓDŹ, Ελλάδα, Москва? 0.9991";
        let widths: Vec<u32> = text.char_indices().map(|(end, _)| width(&text[..end])).collect();
        assert!(widths.is_sorted_by(|a, b| a < b), "{widths:?}");
        assert!(width("mmm") > 2 * width("iii"));
        assert!(width("AVAVAVAV") < 4 * (width("A") + width("V")), "pairs are kerned");
    }

    #[test]
    fn marks_stand_over_their_letters() {
        // Small letters are 12 pixels high: nothing but marks is above.
        let above = 0..(ASCENT as u32 - 13);
        for (marked, plain) in [("ä", "a"), ("ö", "o"), ("ü", "u"), ("é", "e"), ("ñ", "n"), ("ő", "o")] {
            let (marked, plain) = (drawn(marked), drawn(plain));
            assert_eq!(ink(&plain, above.clone()), 0);
            assert!(ink(&marked, above.clone()) > 300);
            let below = ASCENT as u32 - 12..LINE;
            assert_eq!(ink(&plain, below.clone()), ink(&marked, below));
        }
        assert_ne!(drawn("Ł"), drawn("L"));
        assert_ne!(drawn("ß"), drawn("B"));
        // The font has no x with a circumflex.
        let (bare, marked) = (Line::set("x", 99), Line::set("x\u{302}", 99));
        assert_eq!(bare.width(), marked.width());
        assert!(ink(&drawn("x\u{302}"), above.clone()) > 300);
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same() {
        for (composed, decomposed) in [
            ("é", "e\u{301}"),
            ("Äöü", "A\u{308}o\u{308}u\u{308}"),
            ("ñ", "n\u{303}"),
            ("ő", "o\u{30b}"),
            ("ệ", "e\u{323}\u{302}"),
            ("й", "и\u{306}"),
            ("ά", "α\u{301}"),
        ] {
            assert_eq!(drawn(composed), drawn(decomposed), "{composed}");
        }
    }

    #[test]
    fn what_the_font_lacks_is_a_box() {
        let (lacking, other) = (drawn("語"), drawn("\u{1f600}"));
        assert!(ink(&lacking, 0..LINE) > 1000);
        assert_eq!(lacking, other);
        assert_ne!(lacking, drawn("a"));
        assert_eq!(ink(&drawn(" \t\n\u{a0}\u{7}"), 0..LINE), 0);
    }

    #[test]
    fn nothing_leaves_the_picture() {
        for (width, height) in [(1, 1), (3, 40), (40, 3)] {
            let mut picture = RgbImage::new(width, height);
            for (x, y) in [(0, 0), (2, 1), (100, 100), (u32::MAX, u32::MAX)] {
                Line::set("jÅg\u{301}", 1000).draw(&mut picture, x, y);
            }
        }
        // Ink of a letter with marks stays in its line.
        let picture = drawn("ÄÖÜÉÑŐŁgjpqyçş,");
        assert!(ink(&picture, 0..LINE) > 0);
        let frame = [0..5, LINE + 5..LINE + 10];
        let blank = |y: u32| picture.rows().nth(y as usize).is_some_and(|mut row| row.all(|p| p.0 == [255; 3]));
        assert!(frame.into_iter().flatten().all(blank));
    }

    #[test]
    fn long_texts_are_cut_and_quick() {
        let started = std::time::Instant::now();
        for long in ["long".repeat(250_000), "\u{301}".repeat(1_000_000), "e\u{301}".repeat(500_000)] {
            let line = Line::set(&long, 200);
            assert!(line.width() <= 200);
            let mut picture = RgbImage::new(200, LINE);
            line.draw(&mut picture, 0, 0);
        }
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
        let cut = Line::set("a text that is too long for its box", 100);
        assert!((70..=100).contains(&cut.width()), "{}", cut.width());
        let ellipsis = Line::set("…", 100);
        assert_eq!(cut.placed.last().map(|p| p.glyph), ellipsis.placed.last().map(|p| p.glyph));
        assert!(Line::set("word", 2).placed.is_empty());
    }
}
