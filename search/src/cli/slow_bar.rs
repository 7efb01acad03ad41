//! A progress bar that appears only when the work takes a while.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Work that takes no longer gets no bar.
const SHORT: Duration = Duration::from_secs(2);

/// A bar on standard error, where that is a terminal, for work that may be short.
pub(super) struct SlowBar {
    unit: &'static str,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl SlowBar {
    /// A bar over things called `unit` in the plural.
    pub(super) fn new(unit: &'static str) -> SlowBar {
        SlowBar { unit, started: Instant::now(), bar: None }
    }

    /// `done` of `all` are done.
    pub(super) fn at(&mut self, done: usize, all: usize) {
        if self.bar.is_none() && self.started.elapsed() > SHORT && std::io::stderr().is_terminal() {
            let template = format!("[{{bar:30}}] {{pos}}/{{len}} {}, {{per_sec}}, {{eta}} left", self.unit);
            let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = Some(ProgressBar::new(all as u64).with_style(style.progress_chars("=> ")).with_elapsed(SHORT));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    }
}

impl Drop for SlowBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
