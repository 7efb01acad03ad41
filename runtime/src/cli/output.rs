//! What the commands print.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use mmnas_runtime::bundle::{self, TextCoverage};
use mmnas_runtime::{LeftOut, Model, PassedOver};

use crate::cli::failure::Failure;

/// Writes `text` to the standard output, ending it with a line end.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_end().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes `value` as indented JSON to the standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    Ok(print(&serde_json::to_string_pretty(value)?)?)
}

/// Writes an error as one line to the standard error output.
pub(crate) fn error(error: &dyn Error) {
    line(chain(error));
}

/// Writes a line to the standard error output.
pub(crate) fn line(text: impl std::fmt::Display) {
    // Nobody is left to tell where even this fails.
    let _ = writeln!(std::io::stderr(), "mmnas: {text}");
}

/// Tells, on standard error, what lies in a folder of images and is not read.
pub(crate) fn tell_passed_over(folder: &Path, kinds: &[PassedOver]) {
    if let Some(told) = PassedOver::line(kinds) {
        line(format_args!("{}: {told}", folder.display()));
    }
}

/// Tells, on standard error, which images were left out and why.
///
/// The first are named, and how many more there are.
pub(crate) fn tell_left_out(images: &[LeftOut]) {
    const MOST: usize = 20;
    let mut err = std::io::stderr().lock();
    for LeftOut { image, reason } in images.iter().take(MOST) {
        let _ = writeln!(err, "mmnas: left out {image}: {reason}");
    }
    if images.len() > MOST {
        let _ = writeln!(err, "mmnas: left out {} more", images.len() - MOST);
    }
}

/// Tells, on standard error, that region features cannot be checked against the bundle.
pub(crate) fn tell_unknown_features(model: &Model, features: &Path) {
    let (bundle, features) = (model.bundle().folder().display(), features.display());
    let what = "does not say which features its network was trained on";
    let _ = writeln!(std::io::stderr(), "mmnas: {bundle} {what}: whether those in {features} are such is not checked");
}

/// Adds to a command's JSON what was left out and passed over, if anything.
pub(crate) fn add_not_read(told: &mut serde_json::Value, left_out: &[LeftOut], passed_over: &[PassedOver]) {
    if !left_out.is_empty() {
        told["left_out"] = serde_json::json!(left_out);
    }
    if !passed_over.is_empty() {
        told["passed_over"] = serde_json::json!(passed_over);
    }
}

/// Tells of keys that an index does not have, on the standard error output.
pub(crate) fn tell_missing(keys: &[&String]) {
    for key in keys {
        let _ = writeln!(std::io::stderr(), "mmnas: not in the index: {key}");
    }
}

/// Checks, before the work, that a command can write the new `file`.
///
/// It is an error where the file is there already or has no folder.
pub(crate) fn check_new(file: Option<&Path>) -> Result<(), mmnas_runtime::Error> {
    let Some(file) = file else { return Ok(()) };
    if file.symlink_metadata().is_ok() {
        return Err(bundle::Error::Exists { path: file.to_path_buf() }.into());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_folder = |found: std::fs::Metadata| match found.is_dir() {
        true => Ok(()),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    };
    folder.metadata().and_then(is_folder).map_err(|e| bundle::Error::io(folder, "write into")(e).into())
}

/// Checks that `image`, which `option` draws on, is a picture and no region features.
pub(crate) fn check_picture(option: &'static str, image: &Path) -> Result<(), mmnas_runtime::Error> {
    if !bundle::npz::is_called_npz(image) {
        return Ok(());
    }
    let (expected, found) = ("a picture to draw on".to_owned(), format!("region features, {}", image.display()));
    Err(mmnas_runtime::Error::Argument { argument: option, expected, found })
}

/// Tells, on standard error, what the network does not see of each text.
///
/// The first texts that it does not see whole are named. Gives the coverage of all.
pub(crate) fn tell_coverage(model: &Model, texts: &[&str]) -> Result<Vec<TextCoverage>, mmnas_runtime::Error> {
    const MOST: usize = 10;
    let coverage = texts.iter().map(|text| model.coverage(text)).collect::<Result<Vec<_>, _>>()?;
    let mut err = std::io::stderr().lock();
    let with: Vec<_> = texts.iter().zip(&coverage).filter(|(_, coverage)| !coverage.is_all()).collect();
    for (text, TextCoverage { unknown, truncated, .. }) in with.iter().take(MOST) {
        let text: String = text.chars().take(80).collect();
        if !unknown.is_empty() {
            let _ = writeln!(err, "mmnas: {text:?}: the bundle does not know: {}", unknown.join(", "));
        }
        if *truncated > 0 {
            let _ = writeln!(err, "mmnas: {text:?}: the last {truncated} words are beyond what the bundle reads");
        }
    }
    if with.len() > MOST {
        let _ = writeln!(err, "mmnas: and so {} more texts", with.len() - MOST);
    }
    Ok(coverage)
}

/// An error and its sources on one line.
///
/// What an error already says of its source is not repeated.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rows with their columns aligned, the columns in `right` to the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(c, cell): (usize, &String)| {
            let fill = " ".repeat(widths[c] - cell.chars().count());
            if right.contains(&c) { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["wörter", "1"], ["b", "12"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, &[1]), "wörter   1\nb       12\n");
        assert_eq!(table(&[], &[]), "");
    }

    #[test]
    fn a_source_is_told_once() {
        let error = mmnas_runtime::Error::from(mmnas_runtime::bundle::Error::Io {
            path: "x".into(),
            action: "read",
            source: std::io::Error::other("gone\naway"),
        });
        assert_eq!(chain(&error), "x: cannot read: gone away");
    }
}
