//! SIGINT and SIGTERM.
//!
//! A command that keeps what it has done does so and ends; any other ends at once.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use mmnas_runtime::{CancelToken, Error, Limits, LoadOptions, Model};

/// What signals do, from [`Signals::listen`] on.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    stop: CancelToken,
    /// The first signal, or 0.
    first: Arc<AtomicI32>,
    /// How many [`Held`] there are.
    held: Arc<AtomicUsize>,
}

/// As long as it lives, a first signal only asks to stop.
///
/// There is something to keep, or half a file to remove.
pub(crate) struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Signals {
    /// Listens from now on.
    ///
    /// Where the system has no signals, or gives none, they do what they do by themselves.
    pub(crate) fn listen() -> Signals {
        let signals = Signals::default();
        #[cfg(unix)]
        signals.start();
        signals
    }

    #[cfg(unix)]
    fn start(&self) {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let told = |error: std::io::Error| tracing::warn!("signals end this command at once: {error}");
        let mut caught = match signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
            Ok(caught) => caught,
            Err(error) => return told(error),
        };
        let signals = self.clone();
        let listen = move || caught.forever().for_each(|signal| signals.caught(signal));
        if let Err(error) = std::thread::Builder::new().name("mmnas-signals".to_owned()).spawn(listen) {
            told(error);
        }
    }

    #[cfg(unix)]
    fn caught(&self, signal: i32) {
        let mut err = std::io::stderr().lock();
        let again = self.first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err();
        if again || self.held.load(Ordering::SeqCst) == 0 {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            let _ = writeln!(err, "\nmmnas: ended by {name}");
            // Without what else runs at the end of a process: other threads are in the middle of their work.
            signal_hook::low_level::exit(128 + signal);
        }
        let _ = writeln!(err, "\nmmnas: stopping; a second signal ends at once");
        self.stop.cancel();
    }

    /// What a first signal cancels while something is held.
    pub(crate) fn stop(&self) -> &CancelToken {
        &self.stop
    }

    /// Lets a first signal only ask to stop.
    pub(crate) fn hold(&self) -> Held {
        self.held.fetch_add(1, Ordering::SeqCst);
        Held(Arc::clone(&self.held))
    }

    /// Loads a model whose calls end when a signal asks to stop.
    pub(crate) fn model(&self, bundle: &std::path::Path, options: &LoadOptions) -> Result<Model, Error> {
        Ok(Model::load(bundle, options)?.limited(Limits::none().cancelled_by(&self.stop)))
    }

    /// The exit code of a stopped command, as shells give it.
    ///
    /// It is 128 and the signal's number.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let signal = self.first.load(Ordering::SeqCst);
        u8::try_from(signal).ok().filter(|signal| *signal > 0).map(|signal| 128u8.saturating_add(signal))
    }
}
