//! Line charts over epochs.

use std::fmt::Write;

/// One line of a chart.
pub(super) struct Line<'a> {
    /// Class of the style sheet that gives its colour.
    pub class: &'a str,
    /// Value at each epoch, from 0.
    pub values: Vec<f64>,
    /// Drawn thicker than the others.
    pub strong: bool,
}

/// Size and scale of a chart.
pub(super) struct Frame {
    pub width: f64,
    pub height: f64,
    /// Lowest and highest value.
    pub range: (f64, f64),
    /// How a value is written at the axis.
    pub label: fn(f64) -> String,
}

const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

/// The chart as SVG; `title` is what a screen reader says.
pub(super) fn chart(title: &str, lines: &[Line<'_>], frame: &Frame) -> String {
    let (low, high) = frame.range;
    let span = if high > low { high - low } else { 1.0 };
    let epochs = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let x = |epoch: usize| LEFT + (frame.width - LEFT - RIGHT) * epoch as f64 / epochs.saturating_sub(1).max(1) as f64;
    let y = |value: f64| TOP + (frame.height - TOP - BOTTOM) * (1.0 - (value - low) / span);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        frame.width,
        frame.height,
        super::escape(title)
    );
    for k in 0..=2 {
        let value = low + span * f64::from(k) / 2.0;
        let (at, right) = (y(value), frame.width - RIGHT);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let text = (frame.label)(value);
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 6.0, at + 4.0);
    }
    let last = epochs.saturating_sub(1);
    for epoch in if last > 0 { vec![0, last] } else { vec![0] } {
        let at = x(epoch);
        let _ =
            write!(svg, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{epoch}</text>", frame.height - 6.0);
    }
    for line in lines {
        let place = |(epoch, value): (usize, &f64)| format!("{:.1},{:.1}", x(epoch), y(value.clamp(low, high)));
        let points: Vec<String> = line.values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(place).collect();
        let width = if line.strong { 3.0 } else { 1.5 };
        let _ = write!(
            svg,
            "<polyline class=\"line {}\" stroke-width=\"{width}\" points=\"{}\"/>",
            line.class,
            points.join(" ")
        );
        if let Some((cx, cy)) = points.last().and_then(|p| p.split_once(',')) {
            let _ = write!(svg, "<circle class=\"dot {}\" cx=\"{cx}\" cy=\"{cy}\" r=\"{}\"/>", line.class, width + 0.5);
        }
    }
    svg + "</svg>"
}
