//! A picture in SVG, for a page or for a file of its own.

use crate::report::overwrite_guard::Marks;
use crate::report::text::escape;

/// Style rules of pictures, for pages and for pictures alone.
pub(crate) const STYLE: &str = include_str!("picture.css");

/// Marks that identify an earlier picture in a file of its own.
pub(crate) const MARKS: Marks = Marks { beginning: BEGINNING, further_on: GROUND };
const BEGINNING: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ";
const GROUND: &str = "<rect class=\"ground\" ";

/// A picture.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Width in units of the SVG.
    pub width: f64,
    /// Height in units of the SVG.
    pub height: f64,
    /// Title for a screen reader, not escaped.
    pub title: String,
    /// The elements.
    pub body: String,
}

impl Picture {
    /// The picture as an element of an HTML page.
    ///
    /// The page scales it to the width that there is, up to `largest` times its own.
    pub(crate) fn inline(&self, largest: f64) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" style=\"max-width:{}px\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.width,
            self.height,
            largest * self.width,
            escape(&self.title),
            self.body
        )
    }

    /// The picture as a file of its own; `style` has further rules.
    ///
    /// Its ground follows the reader's light or dark setting.
    pub(crate) fn standalone(&self, style: &str) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            "{BEGINNING}{width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
             <title>{}</title>\n<style>\n{STYLE}{style}</style>\n\
             {GROUND}width=\"{width}\" height=\"{height}\" rx=\"10\"/>\n{}\n</svg>\n",
            escape(&self.title),
            self.body
        )
    }

    /// The picture as a part of another one.
    pub(crate) fn placed(&self, x: f64, y: f64) -> String {
        format!("<g transform=\"translate({x:.1} {y:.1})\">{}</g>", self.body)
    }
}
