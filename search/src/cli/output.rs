//! Printing of the commands' results.

use std::io::Write;
use std::process::ExitCode;

use mmnas_export::FailedGraphs;

/// The exit code where a bundle was written without all of the graphs that were asked for.
const LEFT_OUT: u8 = 3;

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

/// Writes JSON to standard output.
pub(super) fn json(value: &serde_json::Value) -> mmnas_search::Result<()> {
    line(serde_json::to_string_pretty(value).map_err(|e| mmnas_bundle::Error::json("(output)", &e))?);
    Ok(())
}

/// Says which graphs were left out of what was written, and why; gives the exit code.
pub(super) fn left_out(graphs: &[FailedGraphs]) -> ExitCode {
    for failed in graphs {
        note(format_args!("left out, because verification failed: {failed}"));
    }
    if graphs.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LEFT_OUT) }
}
