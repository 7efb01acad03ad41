//! Line charts over epochs.

use crate::report::axis::{Axis, Unit};
use crate::report::picture::Picture;
use crate::report::plot::{EndLabel, Plot};
use crate::report::text::cut;

/// One line of a chart.
#[derive(Debug)]
pub(crate) struct Line {
    /// Class of the style rules that give its colour.
    pub class: String,
    /// Name of the line, not escaped; empty if the chart has one line only.
    pub name: String,
    /// Value at each epoch, from 0; not finite if there is none.
    pub values: Vec<f64>,
    /// Whether it is drawn thicker than the others.
    pub strong: bool,
}

/// Chart of a card.
#[derive(Debug)]
pub(crate) struct Chart {
    /// Title of the chart, not escaped.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Scale of the values.
    pub axis: Axis,
    /// Epoch that a ring marks on the first line.
    pub mark: Option<usize>,
}

/// An axis around all values of `lines`.
pub(crate) fn axis_around(lines: &[Line], unit: Unit) -> Axis {
    Axis::around(lines.iter().flat_map(|line| line.values.iter().copied()), unit)
}

/// Largest number of lines that are named under the pointer.
const MOST_SHOWN: usize = 6;
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
/// Width of a character of a label, in wide fonts.
pub(crate) const CHARACTER: f64 = 7.8;

fn epochs(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.values.len()).max().unwrap_or(0)
}

/// Values of the lines at an epoch, the largest first.
fn words(lines: &[Line], axis: &Axis, epoch: usize) -> String {
    let value = |line: &'_ Line| line.values.get(epoch).copied().filter(|v| v.is_finite());
    let mut values: Vec<(&str, f64)> =
        lines.iter().filter_map(|line| Some((line.name.as_str(), value(line)?))).collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    let lines = values.iter().take(MOST_SHOWN).map(|(name, value)| format!("{name} {}", axis.value(*value)));
    let left_out = values.len().saturating_sub(MOST_SHOWN);
    let more = (left_out > 0).then(|| format!("and {left_out} smaller"));
    let lines: Vec<String> = lines.chain(more).collect();
    format!("epoch {epoch}\n{}", lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n"))
}

impl Chart {
    /// Draws the chart, with the last value of every line beside its end.
    pub(crate) fn draw(&self) -> Picture {
        let last = |line: &Line| line.values.iter().copied().rfind(|v| v.is_finite());
        let label = |line: &Line| {
            let value = self.axis.value(last(line)?);
            Some(if line.name.is_empty() { value } else { format!("{} {value}", cut(&line.name, 14)) })
        };
        let longest = self.lines.iter().filter_map(label).map(|text| text.chars().count()).max().unwrap_or(0);
        let right = 14.0 + CHARACTER * longest as f64;
        let plot = Plot {
            width: WIDTH,
            height: HEIGHT,
            left: 46.0,
            right,
            epochs: epochs(&self.lines),
            axis: self.axis.clone(),
        };
        let mut body = plot.scales();
        for line in self.lines.iter().rev() {
            body += &plot.line(&line.values, &line.class, if line.strong { 2.5 } else { 1.8 });
        }
        let marked = self.mark.and_then(|epoch| Some((epoch, *self.lines.first()?.values.get(epoch)?)));
        if let Some((epoch, value)) = marked {
            body +=
                &format!("<circle class=\"ring\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"/>", plot.x(epoch), plot.y(value));
        }
        let ends = self.lines.iter().filter_map(|line| {
            Some(EndLabel { y: plot.y(last(line)?), class: line.class.clone(), text: label(line)? })
        });
        body += &plot.end_labels(ends.collect());
        body += &plot.hits(|epoch| words(&self.lines, &self.axis, epoch));
        Picture { width: WIDTH, height: HEIGHT, title: self.title.clone(), body }
    }

    /// Draws a smaller form of it without labels: one of many that are compared.
    pub(crate) fn draw_small(&self) -> Picture {
        let (width, height) = (200.0, 118.0);
        let plot =
            Plot { width, height, left: 48.0, right: 10.0, epochs: epochs(&self.lines), axis: self.axis.clone() };
        let mut body = plot.scales();
        let (strong, others): (Vec<&Line>, Vec<&Line>) = self.lines.iter().partition(|line| line.strong);
        for line in others.into_iter().chain(strong) {
            body += &plot.line(&line.values, &line.class, if line.strong { 2.8 } else { 1.4 });
        }
        body += &plot.hits(|epoch| words(&self.lines, &self.axis, epoch));
        Picture { width, height, title: self.title.clone(), body }
    }
}
