//! Shared parts of all charts over epochs.
//!
//! They are the frame, the scales, the marks and the words under the pointer.

use std::fmt::Write;

use crate::report::axis::{Axis, epoch_marks};
use crate::report::text::escape;

/// The area of a chart and its scales.
#[derive(Debug)]
pub(crate) struct Plot {
    /// Width of the whole chart.
    pub width: f64,
    /// Height of the whole chart.
    pub height: f64,
    /// Space for the marks of the values.
    pub left: f64,
    /// Space for labels at the lines' ends.
    pub right: f64,
    /// Number of epochs, from 0.
    pub epochs: usize,
    /// Scale of the values.
    pub axis: Axis,
}

const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;
/// Approximate number of points of a line, and of epochs shown under a pointer.
///
/// Of a longer run not every epoch can be seen.
const MOST_POINTS: usize = 400;

/// The label beside the end of a line.
#[derive(Debug)]
pub(crate) struct EndLabel {
    /// Its wanted height.
    pub y: f64,
    /// Its class.
    pub class: String,
    /// Its text, not escaped.
    pub text: String,
}

impl Plot {
    /// Bottom of the values' area.
    pub(crate) fn bottom(&self) -> f64 {
        self.height - BOTTOM
    }

    /// Horizontal place of an epoch; a single one is in the middle.
    pub(crate) fn x(&self, epoch: usize) -> f64 {
        let span = self.width - self.left - self.right;
        let last = self.epochs.saturating_sub(1);
        if last == 0 { self.left + span / 2.0 } else { self.left + span * epoch as f64 / last as f64 }
    }

    /// Vertical place of a value; one outside of the axis is at its end.
    pub(crate) fn y(&self, value: f64) -> f64 {
        let share = (value.clamp(self.axis.low, self.axis.high) - self.axis.low) / (self.axis.high - self.axis.low);
        self.bottom() - (self.bottom() - TOP) * share
    }

    /// The epochs that are drawn, the last always.
    ///
    /// They are all of a short run, and evenly chosen ones of a longer run.
    pub(crate) fn drawn(&self) -> Vec<usize> {
        let step = self.epochs.div_ceil(MOST_POINTS).max(1);
        let last = self.epochs.saturating_sub(1);
        let chosen = (0..last).step_by(step);
        if self.epochs == 0 { Vec::new() } else { chosen.chain([last]).collect() }
    }

    /// Draws grid, marks and their numbers.
    pub(crate) fn scales(&self) -> String {
        let mut svg = String::new();
        let (left, right, bottom) = (self.left, self.width - self.right, self.bottom());
        for (k, value) in self.axis.marks().into_iter().enumerate() {
            let y = self.y(value);
            let class = if k == 0 { "base" } else { "grid" };
            let _ = write!(svg, "<path class=\"{class}\" d=\"M{left} {y:.1}H{right:.1}\"/>");
            let (x, mark) = (left - 6.0, self.axis.mark(value));
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>", y + 4.0);
        }
        let most = ((right - left) / 46.0).clamp(2.0, 10.0) as usize;
        for epoch in epoch_marks(self.epochs, most) {
            let x = self.x(epoch);
            let _ = write!(svg, "<path class=\"base\" d=\"M{x:.1} {bottom}v4\"/>");
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{epoch}</text>", bottom + 16.0);
        }
        svg
    }

    /// Draws the line through `values`, one an epoch, with a dot at its end.
    ///
    /// It has gaps where a value is not finite.
    pub(crate) fn line(&self, values: &[f64], class: &str, width: f64) -> String {
        let (mut path, mut end, mut pen_down) = (String::new(), None, false);
        for epoch in self.drawn() {
            let Some(value) = values.get(epoch).copied().filter(|v| v.is_finite()) else {
                pen_down = false;
                continue;
            };
            let (x, y) = (self.x(epoch), self.y(value));
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { 'L' } else { 'M' });
            (end, pen_down) = (Some((x, y)), true);
        }
        let Some((x, y)) = end else { return String::new() };
        format!(
            "<path class=\"{class} line\" stroke-width=\"{width}\" d=\"{path}\"/><circle class=\"{class} fill\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"/>",
            width + 0.8
        )
    }

    /// Draws labels at the lines' ends, moved apart so that they do not overlap.
    ///
    /// Those that find no room are left out.
    pub(crate) fn end_labels(&self, mut labels: Vec<EndLabel>) -> String {
        const APART: f64 = 13.0;
        let room = ((self.bottom() - TOP) / APART) as usize + 1;
        labels.truncate(room);
        labels.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut lowest = TOP - APART;
        for label in &mut labels {
            label.y = label.y.max(lowest + APART);
            lowest = label.y;
        }
        let mut highest = self.bottom() + APART;
        for label in labels.iter_mut().rev() {
            label.y = label.y.min(highest - APART);
            highest = label.y;
        }
        let x = self.width - self.right + 10.0;
        let text = |label: EndLabel| {
            let (y, class) = (label.y + 4.0, label.class);
            format!("<text class=\"{class} bold tag\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(&label.text))
        };
        labels.into_iter().map(text).collect()
    }

    /// Draws a column over each epoch with `words` under the pointer, without any script.
    pub(crate) fn hits(&self, words: impl Fn(usize) -> String) -> String {
        let drawn = self.drawn();
        let mut svg = String::new();
        for (k, &epoch) in drawn.iter().enumerate() {
            let x = self.x(epoch);
            let from = k.checked_sub(1).map_or(self.left, |before| (self.x(drawn[before]) + x) / 2.0);
            let to = drawn.get(k + 1).map_or(self.width - self.right, |&after| (self.x(after) + x) / 2.0);
            let (width, height) = ((to - from).max(0.5), self.bottom() - TOP);
            let _ = write!(
                svg,
                "<rect class=\"hit\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
                escape(&words(epoch))
            );
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::axis::Unit;

    fn plot(epochs: usize) -> Plot {
        let axis = Axis::around([0.0, 1.0].into_iter(), Unit::Plain);
        Plot { width: 300.0, height: 132.0, left: 40.0, right: 60.0, epochs, axis }
    }

    #[test]
    fn lines_have_gaps_and_long_ones_are_thinned() {
        let svg = plot(4).line(&[0.0, f64::NAN, 1.0, 0.5], "s0", 2.0);
        assert!(svg.contains("d=\"M40.0 110.0M173.3 10.0L240.0 60.0\""), "{svg}");
        assert!(plot(0).drawn().is_empty() && plot(1).drawn() == [0]);
        let drawn = plot(1999).drawn();
        assert!(drawn.len() <= 401 && drawn.last() == Some(&1998));
        assert_eq!(plot(3).line(&[f64::NAN], "s0", 2.0), "");
    }

    #[test]
    fn end_labels_keep_apart_and_inside() {
        let labels = [105.0, 104.0, 20.0, 108.0].map(|y| EndLabel { y, class: "s0".into(), text: format!("<{y}>") });
        let svg = plot(2).end_labels(labels.into());
        let ys: Vec<f64> =
            svg.split(" y=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(ys, [24.0, 88.0, 101.0, 114.0]);
        assert!(svg.contains("&lt;104&gt;"));
    }
}
