//! Progress on standard error.
//!
//! On a terminal it is a bar with rate and time left, elsewhere one line an epoch.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Whether this process reports progress; a library says nothing by itself.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Reports the progress of this process's runs on standard error from now on.
///
/// Programs call it once; a library that never does stays quiet.
pub fn show() {
    SHOWN.store(true, Ordering::Relaxed);
}

/// Where a run reports to.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: Option<ProgressBar>,
    shown: bool,
}

impl Progress {
    /// A bar over `total` steps, if [`show`] was called and standard error is a terminal.
    pub fn new(what: &'static str, total: u64) -> Progress {
        let style = "{prefix:>8} [{bar:30}] {pos}/{len} steps, {per_sec}, {eta} left  {msg}";
        let shown = SHOWN.load(Ordering::Relaxed);
        let bar = (shown && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(style)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            ProgressBar::new(total).with_prefix(what).with_style(style)
        });
        Progress { bar, shown }
    }

    /// Shows that `done` steps are done, with `message` beside the bar.
    pub fn at(&self, done: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message());
        }
    }

    /// Starts with `done` steps done, which do not count for the rate.
    pub fn resume_at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.reset_eta();
        }
    }

    /// Prints a line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // Whoever closed standard error has enough of it: that is no reason to end a run.
            None if self.shown => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
