//! A front on a page, and as a picture in a file of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use mmnas_bundle::write_atomically;

use crate::error::Result;
use crate::report::axis::significant;
use crate::report::front_picture::{draw, part};
use crate::report::overwrite_guard::check_earlier;
use crate::report::picture::MARKS;
use crate::report::text::escape;
use crate::space::front::{Front, FrontReference};

/// A front and the file that it was read from.
#[derive(Debug)]
pub(crate) struct NamedFront {
    /// The file.
    pub file: PathBuf,
    /// The front.
    pub front: Front,
}

/// Checks that a picture of a front can be written to `file`.
///
/// # Errors
/// [`Error::Bundle`](crate::error::Error::Bundle) for a file that is there and no earlier picture.
pub fn check_picture(file: &Path) -> Result<()> {
    Ok(check_earlier(file, MARKS)?)
}

/// Writes the picture of a front as an SVG file.
///
/// # Errors
/// Those of [`check_picture`]; [`Error::Bundle`](crate::error::Error::Bundle) if the file cannot be
/// written.
pub fn write_picture(front: &Front, file: &Path) -> Result<()> {
    check_picture(file)?;
    Ok(write_atomically(file, draw(front).standalone("").as_bytes())?)
}

fn percent(accuracy: Option<f64>) -> String {
    accuracy.map_or_else(|| "–".to_owned(), |accuracy| format!("{:.2} %", 100.0 * accuracy))
}

/// The range of what some architectures take and reach, in words.
fn range(front: &Front, drawn: &[FrontReference]) -> String {
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (least, most) = bounds(&mut drawn.iter().map(|one| one.cost.amount()));
    let (worst, best) = bounds(&mut drawn.iter().filter_map(|one| one.accuracy));
    let (least, most, unit) = (significant(least), significant(most), front.quantity.unit());
    format!("{least} to {most} {unit}, {:.2} to {:.2} %", 100.0 * worst, 100.0 * best)
}

impl NamedFront {
    /// Reads and checks a front.
    pub(crate) fn read(file: &Path) -> Result<NamedFront> {
        Ok(NamedFront { file: file.to_path_buf(), front: Front::read(file)? })
    }

    /// The section of a page: what it is, the picture, the table.
    pub(crate) fn section(&self) -> String {
        let front = &self.front;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let e = &front.environment;
        let threads = if e.threads == 1 { "thread" } else { "threads" };
        let (unit, form, scored) =
            (front.quantity.unit(), front.form, front.sources.iter().map(|s| s.scored).sum::<usize>());
        let words = format!(
            "Of {scored} scored, the networks that none beats both in accuracy, with shared weights, and in predicted {unit} ({}) as \
             {form} on {}, {} {threads}. --architecture {name}:1 names the first.",
            part(front.of),
            e.device,
            e.threads
        );
        let mut html =
            format!("<p class=\"soft\">{}</p><div class=\"card\">{}</div>", escape(&words), draw(front).inline(1.4));
        let several = front.sources.len() > 1;
        let from = if several { "<th>from</th>" } else { "" };
        let _ = write!(
            html,
            "<h3>Points and baselines</h3><div class=\"wide\"><table><thead><tr><th>point</th><th>{}</th><th>accuracy</th>{from}<th>operations</th></tr></thead><tbody>",
            escape(unit)
        );
        let mut row = |name: &str, amount: f64, accuracy: Option<f64>, from: Option<&String>, architecture: String| {
            let from =
                if several { format!("<td>{}</td>", escape(from.map_or("", String::as_str))) } else { String::new() };
            let (name, architecture) = (escape(name), escape(&architecture));
            let _ = write!(
                html,
                "<tr><td>{name}</td><td>{}</td><td>{}</td>{from}<td>{architecture}</td></tr>",
                significant(amount),
                percent(accuracy)
            );
        };
        for (k, p) in front.points.iter().enumerate() {
            row(&(k + 1).to_string(), p.cost.amount(), Some(p.accuracy), p.from.as_ref(), p.architecture.to_string());
        }
        for b in &front.baselines {
            row(&b.name, b.cost.amount(), b.accuracy, b.from.as_ref(), b.architecture.to_string());
        }
        html += "</tbody></table></div>";
        if !front.random.is_empty() {
            let (count, range) = (front.random.len(), range(front, &front.random));
            let _ = write!(html, "<p class=\"soft\">Random architectures ({count}): {}.</p>", escape(&range));
        }
        html
    }
}
