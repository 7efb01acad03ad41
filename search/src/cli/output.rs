//! What the commands print.

use std::io::Write;

/// Writes one line to standard output. Whoever closed it has enough of it: after hours of work that is no failure.
pub(super) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes an error as one line to standard error.
pub(super) fn error(error: &mmnas_search::Error) {
    note(error);
}

/// Writes one line to standard error.
pub(super) fn note(text: impl std::fmt::Display) {
    let text = text.to_string();
    let _ = writeln!(std::io::stderr(), "mmnas-search: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
}
