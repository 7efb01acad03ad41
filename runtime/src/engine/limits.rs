//! What ends a call before it is done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
#[cfg(feature = "async")]
use std::thread::Thread;
use std::time::{Duration, Instant};

use ort::session::{NoSelectedOutputs, RunOptions};

use crate::error::{Error, Result};

/// A run of a graph that can be told to stop.
type Run = RunOptions<NoSelectedOutputs>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the calls that were made with it, from any thread.
///
/// Clones are the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Cancel>);

#[derive(Debug, Default)]
struct Cancel {
    cancelled: AtomicBool,
    runs: Mutex<Vec<Weak<Run>>>,
    /// Threads that wait for something else than a run.
    #[cfg(feature = "async")]
    waiting: Mutex<Vec<Weak<Thread>>>,
}

impl CancelToken {
    /// A token that was not used yet.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Ends the calls that run with this token, now and later.
    ///
    /// Those that run end between two operators of their graphs, the later ones before they begin. They give
    /// [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        locked(&self.0.runs).iter().filter_map(Weak::upgrade).for_each(|run| stop(&run));
        #[cfg(feature = "async")]
        locked(&self.0.waiting).iter().filter_map(Weak::upgrade).for_each(|thread| thread.unpark());
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    fn watch(&self, run: &Arc<Run>) {
        let mut runs = locked(&self.0.runs);
        runs.retain(|run| run.strong_count() > 0);
        runs.push(Arc::downgrade(run));
        // After it is listed: whoever cancels in between finds it.
        if self.is_cancelled() {
            stop(run);
        }
    }
}

#[cfg(feature = "async")]
impl CancelToken {
    /// Unparks `thread` when it is cancelled, as long as the caller keeps it.
    fn unpark(&self, thread: &Arc<Thread>) {
        let mut waiting = locked(&self.0.waiting);
        waiting.retain(|thread| thread.strong_count() > 0);
        waiting.push(Arc::downgrade(thread));
    }
}

fn stop(run: &Run) {
    // It fails for no run that was made.
    if let Err(error) = run.terminate() {
        tracing::error!("a run cannot be stopped: {error}");
    }
}

/// What ends a call before it is done: a moment, tokens, both or nothing.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    deadline: Option<Instant>,
    cancel: Vec<CancelToken>,
}

impl Limits {
    /// None.
    pub fn none() -> Limits {
        Limits::default()
    }

    /// These, and calls end at `deadline` at the latest. They give [`Error::DeadlineExceeded`].
    #[must_use]
    pub fn until(self, deadline: Instant) -> Limits {
        let deadline = self.deadline.map_or(deadline, |earlier| earlier.min(deadline));
        Limits { deadline: Some(deadline), ..self }
    }

    /// As [`Limits::until`] `time` from now.
    ///
    /// With no time at all every call ends before it begins.
    #[must_use]
    pub fn within(self, time: Duration) -> Limits {
        match Instant::now().checked_add(time) {
            Some(deadline) => self.until(deadline),
            // Later than clocks go.
            None => self,
        }
    }

    /// These, and calls end when `token` is cancelled. There may be several tokens.
    #[must_use]
    pub fn cancelled_by(mut self, token: &CancelToken) -> Limits {
        self.cancel.push(token.clone());
        self
    }

    /// Whether a call may go on: for steps of the caller's own between calls.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::DeadlineExceeded`] where it has to end.
    pub fn check(&self) -> Result<()> {
        if self.cancel.iter().any(CancelToken::is_cancelled) {
            return Err(Error::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Error::DeadlineExceeded),
            _ => Ok(()),
        }
    }

    /// Waits until `done` gives something, or until these limits end the call.
    ///
    /// Whoever gets the thread that `done` is given has to unpark it.
    #[cfg(feature = "async")]
    pub(crate) fn wait<T>(&self, mut done: impl FnMut(&Arc<Thread>) -> Option<T>) -> Result<T> {
        let thread = Arc::new(std::thread::current());
        self.cancel.iter().for_each(|token| token.unpark(&thread));
        loop {
            if let Some(found) = done(&thread) {
                return Ok(found);
            }
            // After the thread is listed: whoever cancels in between has unparked it.
            self.check()?;
            match self.deadline {
                Some(deadline) => std::thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
                None => std::thread::park(),
            }
        }
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.deadline.is_some() || !self.cancel.is_empty()
    }
}

/// Limits with the clock that enforces them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    pub limits: Limits,
    pub clock: Arc<Clock>,
}

impl Watched {
    /// Calls `run` with options that tell it to stop at the limits.
    ///
    /// It gives an error of its own when they do.
    pub(crate) fn run<T>(&self, run: impl FnOnce(Option<&Run>) -> Result<T>) -> Result<T> {
        if !self.limits.any() {
            return run(None);
        }
        self.limits.check()?;
        let options = RunOptions::new().map_err(|e| Error::argument("limits", "options of a run", e))?;
        let options = Arc::new(options);
        self.limits.cancel.iter().for_each(|token| token.watch(&options));
        let _alarm = self.limits.deadline.map(|deadline| self.clock.set(deadline, &options));
        let result = run(Some(&options));
        // A run that was told to stop fails with a message of ONNX Runtime's.
        result.or_else(|error| self.limits.check().and(Err(error)))
    }
}

/// Stops runs at their deadlines.
///
/// Its thread begins with the first deadline and ends with the clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ends: bool,
    set: u64,
    alarms: BTreeMap<(Instant, u64), Weak<Run>>,
}

/// A deadline that is being watched.
struct Alarm<'a> {
    clock: &'a Clock,
    key: (Instant, u64),
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        locked(&self.clock.shared.state).alarms.remove(&self.key);
    }
}

impl Clock {
    fn set(&self, deadline: Instant, run: &Arc<Run>) -> Alarm<'_> {
        let mut state = locked(&self.shared.state);
        state.set += 1;
        let key = (deadline, state.set);
        state.alarms.insert(key, Arc::downgrade(run));
        drop(state);
        self.shared.changed.notify_one();
        let mut thread = locked(&self.thread);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new().name("mmnas-deadlines".to_owned()).spawn(move || watch(&shared));
            match started {
                Ok(handle) => *thread = Some(handle),
                // The deadline is looked at between stages all the same.
                Err(error) => tracing::warn!("no thread for deadlines: {error}"),
            }
        }
        Alarm { clock: self, key }
    }
}

fn watch(shared: &Shared) {
    let mut state = locked(&shared.state);
    while !state.ends {
        let now = Instant::now();
        let next = state.alarms.first_key_value().map(|(key, _)| *key);
        state = match next {
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some((deadline, _)) if deadline > now => {
                shared.changed.wait_timeout(state, deadline - now).unwrap_or_else(PoisonError::into_inner).0
            }
            Some(key) => {
                if let Some(run) = state.alarms.remove(&key).and_then(|run| run.upgrade()) {
                    stop(&run);
                }
                state
            }
        };
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        locked(&self.shared.state).ends = true;
        self.shared.changed.notify_one();
        if let Some(thread) = locked(&self.thread).take() {
            // It ends now; a library that is unloaded after this leaves no thread behind.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_looked_at_before_a_call() {
        assert!(Limits::none().check().is_ok());
        let token = CancelToken::new();
        let limits = Limits::none().cancelled_by(&token).within(Duration::from_secs(600));
        assert!(limits.check().is_ok());
        token.clone().cancel();
        assert!(matches!(limits.check(), Err(Error::Cancelled)));
        let late = Limits::none().until(Instant::now());
        assert!(matches!(late.check(), Err(Error::DeadlineExceeded)));
        assert!(matches!(late.within(Duration::MAX).check(), Err(Error::DeadlineExceeded)));
    }

    #[test]
    fn no_time_at_all_has_always_passed() {
        for _ in 0..200 {
            let limits = Limits::none().within(Duration::ZERO);
            assert!(limits.any() && matches!(limits.check(), Err(Error::DeadlineExceeded)));
        }
    }

    #[test]
    fn each_of_several_tokens_ends_a_call() {
        let (first, second) = (CancelToken::new(), CancelToken::new());
        let limits = Limits::none().cancelled_by(&first).cancelled_by(&second);
        assert!(limits.check().is_ok());
        first.cancel();
        assert!(matches!(limits.check(), Err(Error::Cancelled)));
    }

    #[test]
    fn a_call_without_limits_has_no_options() {
        let found = Watched::default().run(|options| Ok(options.is_none()));
        assert!(found.unwrap());
    }
}
