//! Shares over epochs as stacked areas.

use std::fmt::Write;

use crate::report::axis::Axis;
use crate::report::chart::{CHARACTER, Line};
use crate::report::picture::Picture;
use crate::report::plot::{EndLabel, Plot};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;

/// Draws `lines` as stacked areas, the first at the bottom.
///
/// Their values at an epoch add up to at most 1; an epoch without a value counts as 0. Lines that
/// have a share at the end are labelled.
pub(crate) fn stacked(title: &str, lines: &[Line]) -> Picture {
    let epochs = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let axis = Axis::shares(0.25);
    let longest = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let right = 14.0 + CHARACTER * (longest + 6) as f64;
    let plot = Plot { width: WIDTH, height: HEIGHT, left: 46.0, right, epochs, axis };
    let drawn = plot.drawn();
    let share = |line: &Line, epoch: usize| {
        line.values.get(epoch).copied().filter(|v| v.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0)
    };
    let mut body = plot.scales();
    let mut below = vec![0.0; drawn.len()];
    let mut labels = Vec::new();
    // A single epoch has no width of its own.
    let wide = |epoch: usize| {
        if epochs > 1 { vec![plot.x(epoch)] } else { vec![plot.x(epoch) - 14.0, plot.x(epoch) + 14.0] }
    };
    for line in lines {
        let above: Vec<f64> = drawn.iter().zip(&below).map(|(&epoch, low)| low + share(line, epoch)).collect();
        let edge = |values: &[f64]| -> Vec<String> {
            let points = drawn
                .iter()
                .zip(values)
                .flat_map(|(&epoch, &value)| wide(epoch).into_iter().map(move |x| (x, value)).collect::<Vec<_>>());
            points.map(|(x, value)| format!("{x:.1} {:.1}", plot.y(value))).collect()
        };
        let (upper, mut lower) = (edge(&above), edge(&below));
        lower.reverse();
        if above != below {
            let _ =
                write!(body, "<path class=\"{} fill\" d=\"M{}L{}Z\"/>", line.class, upper.join("L"), lower.join("L"));
            let _ = write!(body, "<path class=\"seam\" d=\"M{}\"/>", upper.join("L"));
        }
        if let (Some(&epoch), Some(low), Some(high)) = (drawn.last(), below.last(), above.last())
            && high - low > 0.0
        {
            let text = format!("{} {:.0} %", line.name, 100.0 * share(line, epoch));
            labels.push(EndLabel { y: plot.y((low + high) / 2.0), class: line.class.clone(), text });
        }
        below = above;
    }
    body += &plot.end_labels(labels);
    body += &plot.hits(|epoch| {
        let mut words = format!("epoch {epoch}");
        for line in lines.iter().rev().filter(|line| share(line, epoch) > 0.0) {
            let _ = write!(words, "\n{} {:.1} %", line.name, 100.0 * share(line, epoch));
        }
        words
    });
    Picture { width: WIDTH, height: HEIGHT, title: title.to_owned(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(class: &str, values: &[f64]) -> Line {
        Line { class: class.into(), name: class.to_uppercase(), values: values.to_vec(), strong: false }
    }

    #[test]
    fn areas_lie_on_one_another() {
        let picture = stacked("shares", &[line("a", &[0.25, 0.5]), line("b", &[0.75, 0.5]), line("c", &[0.0, 0.0])]);
        // 0 is at 178, 1 at 10: a quarter is 42 high.
        let x = 360.0 - 14.0 - 7.8 * 7.0;
        assert!(
            picture.body.contains(&format!("M46.0 136.0L{x:.1} 94.0L{x:.1} 178.0L46.0 178.0Z")),
            "{}",
            picture.body
        );
        assert!(picture.body.contains(&format!("M46.0 10.0L{x:.1} 10.0L{x:.1} 94.0L46.0 136.0Z")), "{}", picture.body);
        assert!(picture.body.contains(">A 50 %<") && !picture.body.contains("C 0 %"));
        assert!(picture.body.contains("epoch 0\nB 75.0 %\nA 25.0 %<"));
    }
}
