//! Progress bars on the standard error output.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` things, called `unit` in the plural, with rate and remaining time.
///
/// Nothing where the standard error output is no terminal.
pub(crate) fn bar(length: usize, unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{{wide_bar}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    let bar = ProgressBar::new(length as u64);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// One bar after another: the stages of a task.
pub(crate) struct Stages {
    unit: &'static str,
    bar: ProgressBar,
}

impl Default for Stages {
    fn default() -> Stages {
        Stages { unit: "", bar: ProgressBar::hidden() }
    }
}

impl Stages {
    /// `done` of `of` things, called `unit`.
    ///
    /// Another unit is another stage, whose bar takes the place of the one before.
    pub(crate) fn at(&mut self, unit: &'static str, done: usize, of: usize) {
        if unit != self.unit {
            *self = Stages { unit, bar: bar(of, unit) };
        }
        self.bar.set_position(done as u64);
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
