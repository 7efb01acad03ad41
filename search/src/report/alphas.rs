//! Alpha over time: a small chart for each block.
//!
//! The charts stand on the page or in a picture of their own.

use std::fmt::Write;

use crate::report::axis::Axis;
use crate::report::chart::{Chart, Line};
use crate::report::content::Content;
use crate::report::operation::Look;
use crate::report::picture::Picture;
use crate::report::text::{cut, escape};

/// A block's chart.
#[derive(Debug)]
pub(crate) struct BlockChart {
    /// Whether it is a decoder block.
    pub decoder: bool,
    /// Name of the block, such as `decoder 3`.
    pub name: String,
    /// The look of the operation that is derived, and its probability at the end.
    pub derived: Option<(Look, f64)>,
    /// The chart.
    pub picture: Picture,
}

/// The charts of all blocks that were searched, the encoder's first.
pub(crate) fn block_charts(content: &Content) -> Vec<BlockChart> {
    let epochs: Vec<Option<Vec<Vec<f64>>>> =
        content.records.iter().map(crate::run::epoch_notes::probabilities).collect();
    let chart = |(b, block): (usize, &crate::run::searched_blocks::Block)| {
        let at = |epoch: &Option<Vec<Vec<f64>>>, k: usize| epoch.as_ref().and_then(|e| e.get(b)?.get(k).copied());
        let last = |k: usize| epochs.iter().rev().find_map(|epoch| at(epoch, k));
        let best = (0..block.operations.len())
            .filter_map(|k| Some((k, last(k)?)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        let line = |(k, name): (usize, &String)| Line {
            class: content.palette.class(name),
            name: Look::of(name).abbreviation,
            values: epochs.iter().map(|epoch| at(epoch, k).unwrap_or(f64::NAN)).collect(),
            strong: best.is_some_and(|(best, _)| best == k),
        };
        let lines = block.operations.iter().enumerate().map(line).collect();
        let title = format!("probabilities of {}", block.name());
        BlockChart {
            decoder: block.decoder,
            name: block.name(),
            derived: best.map(|(k, p)| (Look::of(&block.operations[k]), p)),
            picture: Chart { title, lines, axis: Axis::shares(0.5), mark: None }.draw_small(),
        }
    };
    content.blocks.iter().enumerate().map(chart).collect()
}

/// The operations that blocks choose from.
pub(crate) fn searched(content: &Content) -> Vec<&Look> {
    let looks = content.palette.looks().iter();
    looks.filter(|look| content.blocks.iter().any(|block| block.operations.contains(&look.name))).collect()
}

const COLUMNS: usize = 6;
const GAP: f64 = 14.0;
const MARGIN: f64 = 20.0;
const TITLE: f64 = 20.0;
const LEGEND_ROW: f64 = 22.0;
const LEGEND_COLUMN: f64 = 268.0;

/// Draws alpha over time as one picture.
///
/// It has rows of encoder blocks, then of decoder blocks, then a legend.
pub(crate) fn draw(content: &Content) -> Picture {
    let charts = block_charts(content);
    let (mut body, mut y) = (String::new(), MARGIN);
    let (cell, row) = charts.first().map_or((0.0, 0.0), |c| (c.picture.width, TITLE + c.picture.height + GAP));
    let widest = [false, true].map(|d| charts.iter().filter(|c| c.decoder == d).count()).into_iter().max();
    let columns = widest.unwrap_or(0).clamp(2, COLUMNS);
    let width = 2.0 * MARGIN + columns as f64 * (cell + GAP) - GAP;
    for decoder in [false, true] {
        let stack: Vec<&BlockChart> = charts.iter().filter(|chart| chart.decoder == decoder).collect();
        for row_charts in stack.chunks(columns) {
            for (column, chart) in row_charts.iter().enumerate() {
                let x = MARGIN + column as f64 * (cell + GAP);
                let _ = write!(body, "<text class=\"title\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", y + 12.0, chart.name);
                if let Some((look, p)) = &chart.derived {
                    let words = format!("{} {:.0} %", look.abbreviation, 100.0 * p);
                    let _ = write!(
                        body,
                        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                        x + cell - 10.0,
                        y + 12.0,
                        escape(&words)
                    );
                }
                body += &chart.picture.placed(x, y + TITLE);
            }
            y += row;
        }
        if !stack.is_empty() {
            y += 6.0;
        }
    }
    let searched = searched(content);
    let across = ((width - 2.0 * MARGIN) / LEGEND_COLUMN).floor().max(1.0) as usize;
    for (k, look) in searched.iter().enumerate() {
        let x = MARGIN + (k % across) as f64 * LEGEND_COLUMN;
        let at = y + (k / across) as f64 * LEGEND_ROW + 8.0;
        let class = content.palette.class(&look.name);
        let _ = write!(body, "<path class=\"{class} line\" stroke-width=\"2.8\" d=\"M{x:.1} {at:.1}h26\"/>");
        let words = escape(&cut(&format!("{} {}", look.abbreviation, look.words), 31));
        let _ = write!(body, "<text x=\"{:.1}\" y=\"{:.1}\">{words}</text>", x + 34.0, at + 4.0);
    }
    let height = y + searched.len().div_ceil(across) as f64 * LEGEND_ROW + MARGIN - 6.0;
    Picture { width, height, title: format!("Probability of each operation by epoch, {}", content.title), body }
}
