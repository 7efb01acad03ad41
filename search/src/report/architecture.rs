//! The derived architecture as the paper draws it.
//!
//! The encoder over text is on the left, the decoder over regions on the right, from bottom to top.
//! The encoded text goes into every block that is guided by it.

use std::fmt::Write;

use crate::report::operation::Look;
use crate::report::palette::Palette;
use crate::report::picture::Picture;
use crate::report::text::{cut, escape};

/// Names of the operations of an architecture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stacks {
    /// Operations of the encoder's blocks, in order.
    pub encoder: Vec<String>,
    /// Operations of the decoder's blocks, in order.
    pub decoder: Vec<String>,
}

/// Writes the architecture as the paper does: `enc SA FFN, dec GA FFN SA FFN`.
impl std::fmt::Display for Stacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[String]| names.iter().map(|n| Look::of(n).abbreviation).collect::<Vec<_>>().join(" ");
        write!(f, "enc {}, dec {}", list(&self.encoder), list(&self.decoder))
    }
}

const WIDTH: f64 = 480.0;
const PANEL: f64 = 172.0;
const LEFT: f64 = 16.0;
const RIGHT: f64 = WIDTH - LEFT - PANEL;
const BLOCK: f64 = 116.0;
const HEIGHT: f64 = 26.0;
const STEP: f64 = 38.0;
/// Distance from a panel's edge to its blocks, on the side of the numbers.
const NUMBERS: f64 = 38.0;
const PANEL_HEAD: f64 = 34.0;
/// Top of the taller panel.
const PANELS: f64 = 132.0;
const LEGEND_ROW: f64 = 26.0;

/// Inputs and outputs of the network for a task: text, box over the decoder, output.
fn ends(task: &str) -> (&'static str, &'static str, &'static str) {
    match task {
        "vqa" => ("question", "AttFlat", "answers"),
        "itm" => ("caption", "AttFlat", "match score"),
        "vgd" => ("phrase", "linear, each region", "scores and boxes of regions"),
        _ => ("text", "head", "output"),
    }
}

struct Drawing {
    svg: String,
    bottom: f64,
}

impl Drawing {
    fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, words: &str) {
        let words = escape(words);
        let _ = write!(
            self.svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        );
    }

    fn part(&mut self, (x, y): (f64, f64), width: f64, words: &str) {
        let _ = write!(
            self.svg,
            "<rect class=\"part\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"13\"/>"
        );
        self.text("part-name", (x + width / 2.0, y + 17.0), "middle", words);
    }

    /// Draws an arrow upwards.
    fn arrow(&mut self, x: f64, from: f64, to: f64) {
        let _ = write!(
            self.svg,
            "<path class=\"arrow\" d=\"M{x:.1} {from:.1}V{:.1}\"/><path class=\"head\" d=\"M{x:.1} {to:.1}l-4 7h8z\"/>",
            to + 6.0
        );
    }

    /// Top of the block `row`, from 0 at the bottom.
    fn block_top(&self, row: usize) -> f64 {
        self.bottom - 6.0 - (row + 1) as f64 * STEP + (STEP - HEIGHT) / 2.0
    }

    fn stack(&mut self, palette: &Palette, decoder: bool, names: &[String]) {
        let (panel, x) = if decoder { (RIGHT, RIGHT + PANEL - NUMBERS - BLOCK) } else { (LEFT, LEFT + NUMBERS) };
        let top = self.bottom - panel_height(names.len());
        let _ = write!(
            self.svg,
            "<rect class=\"panel\" x=\"{panel}\" y=\"{top:.1}\" width=\"{PANEL}\" height=\"{:.1}\" rx=\"10\"/>",
            self.bottom - top
        );
        let (side, anchor, title) =
            if decoder { (RIGHT + PANEL - 12.0, "end", "decoder") } else { (LEFT + 12.0, "start", "encoder") };
        self.text("title", (side, top + 20.0), anchor, title);
        let middle = x + BLOCK / 2.0;
        self.arrow(middle, self.bottom + 18.0, self.block_top(0) + HEIGHT);
        for (row, name) in names.iter().enumerate() {
            let (look, y, class) = (Look::of(name), self.block_top(row), palette.class(name));
            if row > 0 {
                self.arrow(middle, self.block_top(row - 1), y + HEIGHT);
            }
            let _ = write!(
                self.svg,
                "<g><title>{title} {}: {}, {}</title><rect class=\"{class} fill\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BLOCK}\" height=\"{HEIGHT}\" rx=\"6\"/>",
                row + 1,
                escape(name),
                escape(&look.words)
            );
            self.text(&format!("{class} ink bold"), (middle, y + 17.5), "middle", &look.abbreviation);
            self.svg += "</g>";
            self.text("small", (side, y + 17.0), anchor, &(row + 1).to_string());
        }
    }

    /// Draws the rail from the encoder's end into every guided block.
    ///
    /// It runs between the panels.
    fn guides(&mut self, stacks: &Stacks) {
        let guided: Vec<f64> = stacks
            .decoder
            .iter()
            .enumerate()
            .filter(|(_, name)| Look::of(name).reads_text)
            .map(|(row, _)| self.block_top(row) + HEIGHT / 2.0)
            .collect();
        let (Some(&lowest), Some(&highest)) = (guided.first(), guided.last()) else { return };
        let start = self.block_top(stacks.encoder.len().saturating_sub(1)) - 9.0;
        let (middle, rail) = (LEFT + NUMBERS + BLOCK / 2.0, (LEFT + PANEL + RIGHT) / 2.0);
        let (low, high) = (lowest.max(start), highest.min(start));
        let _ = write!(
            self.svg,
            "<circle class=\"guide-head\" cx=\"{middle:.1}\" cy=\"{start:.1}\" r=\"3\"/><path class=\"guide\" d=\"M{middle:.1} {start:.1}H{rail:.1}\"/><path class=\"guide\" d=\"M{rail:.1} {low:.1}V{high:.1}\"/>"
        );
        let end = RIGHT + PANEL - NUMBERS - BLOCK;
        for y in guided {
            let _ = write!(
                self.svg,
                "<path class=\"guide\" d=\"M{rail:.1} {y:.1}H{:.1}\"/><path class=\"guide-head\" d=\"M{end:.1} {y:.1}l-8 -4.5v9z\"/>",
                end - 7.0
            );
        }
    }

    fn legend(&mut self, palette: &Palette, stacks: &Stacks, top: f64) -> f64 {
        let used = |look: &&Look| stacks.encoder.contains(&look.name) || stacks.decoder.contains(&look.name);
        let looks: Vec<&Look> = palette.looks().iter().filter(used).collect();
        let guided = looks.iter().any(|look| look.reads_text);
        let place = |k: usize| (LEFT + (k % 2) as f64 * (WIDTH - LEFT) / 2.0, top + (k / 2) as f64 * LEGEND_ROW);
        for (k, look) in looks.iter().enumerate() {
            let ((x, y), class) = (place(k), palette.class(&look.name));
            let wide = 14.0 + 7.0 * look.abbreviation.chars().count().max(3) as f64;
            let _ = write!(
                self.svg,
                "<rect class=\"{class} fill\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide}\" height=\"18\" rx=\"5\"/>"
            );
            let ink = format!("{class} ink bold small");
            self.text(&ink, (x + wide / 2.0, y + 13.0), "middle", &look.abbreviation);
            let most = ((WIDTH / 2.0 - 24.0 - wide) / 6.4) as usize;
            self.text("", (x + wide + 8.0, y + 13.5), "start", &cut(&look.words, most));
        }
        if guided {
            let (x, y) = place(looks.len());
            let _ = write!(self.svg, "<path class=\"guide\" d=\"M{x:.1} {:.1}h35\"/>", y + 9.0);
            self.text("", (x + 43.0, y + 13.5), "start", "the encoded text");
        }
        top + (looks.len() + usize::from(guided)).div_ceil(2) as f64 * LEGEND_ROW
    }
}

fn panel_height(blocks: usize) -> f64 {
    PANEL_HEAD + blocks as f64 * STEP + 6.0
}

/// Draws the picture of a network for `task`.
pub(crate) fn draw(stacks: &Stacks, palette: &Palette, task: &str) -> Picture {
    let (words, over_decoder, output) = ends(task);
    let bottom = PANELS + panel_height(stacks.encoder.len().max(stacks.decoder.len()));
    let mut drawing = Drawing { svg: String::new(), bottom };
    let (left, right) = (LEFT + NUMBERS, RIGHT + PANEL - NUMBERS - BLOCK);
    let columns = [
        (left, &stacks.encoder, "embedding, LSTM", words, "AttFlat"),
        (right, &stacks.decoder, "linear", "image regions", over_decoder),
    ];
    for (decoder, (x, names, inlet, source, outlet)) in columns.into_iter().enumerate() {
        drawing.stack(palette, decoder == 1, names);
        let middle = x + BLOCK / 2.0;
        drawing.part((x - 4.0, bottom + 18.0), BLOCK + 8.0, inlet);
        drawing.text("bold", (middle, bottom + 74.0), "middle", source);
        drawing.arrow(middle, bottom + 61.0, bottom + 18.0 + HEIGHT);
        let wide = BLOCK + if outlet.len() > 12 { 24.0 } else { 8.0 };
        drawing.arrow(middle, drawing.block_top(names.len().saturating_sub(1)), 84.0 + HEIGHT);
        drawing.part((middle - wide / 2.0, 84.0), wide, outlet);
        // Into the sum, from below near its ends.
        let into = WIDTH / 2.0 + if decoder == 1 { 60.0 } else { -60.0 };
        let _ = write!(drawing.svg, "<path class=\"arrow\" d=\"M{middle:.1} 84V76H{into:.1}V72\"/>");
        let _ = write!(drawing.svg, "<path class=\"head\" d=\"M{into:.1} 66l-4 7h8z\"/>");
    }
    drawing.part((WIDTH / 2.0 - 88.0, 40.0), 176.0, "sum, layer norm, linear");
    drawing.arrow(WIDTH / 2.0, 40.0, 26.0);
    drawing.text("bold", (WIDTH / 2.0, 20.0), "middle", output);
    drawing.guides(stacks);
    let end = drawing.legend(palette, stacks, bottom + 94.0);
    Picture { width: WIDTH, height: end + 10.0, title: format!("Architecture: {stacks}"), body: drawing.svg }
}
