//! What the library has to say besides errors.

use std::ffi::{CString, c_char, c_void};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, callback};

/// How much a message matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_log_level {
    /// Nothing is told.
    Off = 0,
    /// Something failed.
    Error = 1,
    /// Something is other than one would wish, such as a provider that was allowed to be missing and is.
    Warning = 2,
    /// What was loaded from where: a line for ONNX Runtime, and one for each bundle (folder, task, variant, provider, identity, ONNX
    /// Runtime) and each index.
    Info = 3,
    /// What helps to find a fault.
    Debug = 4,
    /// All.
    Trace = 5,
}

/// Takes a message. `level` is one of mmnas_log_level; `message` is UTF-8 of `message_len` bytes with a closing NUL, and only
/// valid during the call. It may be called from any thread, also from several at once and in the middle of any call, so it must
/// not throw or jump out, and not call this library: such calls do nothing, and fail with MMNAS_STATUS_INVALID_ARGUMENT where
/// they can fail. The functions of mmnas_error work there too, so that such an error can be read and freed.
pub type mmnas_log_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, message: *const c_char, message_len: usize)>;

struct Target {
    /// Which listener it is; 0 for that of mmnas_log_set().
    id: u64,
    level: i32,
    callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char, usize),
    user_data: *mut c_void,
}

// SAFETY: the library only hands `user_data` back, and the header says that the callback is called from any thread.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

/// Who is told, in the order in which they came.
static TARGETS: RwLock<Vec<Target>> = RwLock::new(Vec::new());
/// The level of the one who wants to know most.
static LEVEL: AtomicI32 = AtomicI32::new(0);

/// Changes who is told, when those that are just being told something have heard it.
fn change(body: impl FnOnce(&mut Vec<Target>)) {
    let mut targets = TARGETS.write().unwrap_or_else(PoisonError::into_inner);
    body(&mut targets);
    LEVEL.store(targets.iter().map(|target| target.level).max().unwrap_or(0), Ordering::Relaxed);
}

/// Registers with this library's own copy of the dispatcher.
///
/// A host that is written in Rust has another.
fn subscribe() {
    static SUBSCRIBED: OnceLock<()> = OnceLock::new();
    SUBSCRIBED.get_or_init(|| {
        let _ = tracing::subscriber::set_global_default(Forward);
    });
}

fn check_level(level: i32) -> Result<(), mmnas_error> {
    if (0..=5).contains(&level) {
        return Ok(());
    }
    Err(mmnas_error::invalid("level", "one of mmnas_log_level, 0 to 5", &level.to_string()))
}

/// One that is told what happens, beside all others, until it is freed.
#[derive(Debug)]
pub struct mmnas_log_listener {
    id: u64,
}

impl Drop for mmnas_log_listener {
    fn drop(&mut self) {
        change(|targets| targets.retain(|target| target.id != self.id));
    }
}

/// Tells the library whom to tell what happens; until then it tells nobody. There is one such listener a process: a call replaces
/// the one before. mmnas_log_listen() adds any number of others.
///
/// When the call returns, the listener before it is not called any more, so what its `user_data` led to may go. The call waits
/// for listeners that are just being told something, so the caller must hold no lock that they take.
///
/// @param level      one of mmnas_log_level: messages that matter less are left out
/// @param callback   who is told, or NULL for nobody
/// @param user_data  handed to the callback as it is; may be NULL
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called at any time from any thread, but not from the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_log_set(
    level: i32,
    callback: mmnas_log_callback,
    user_data: *mut c_void,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        check_level(level)?;
        subscribe();
        change(|targets| {
            targets.retain(|target| target.id != 0);
            targets.extend(callback.map(|callback| Target { id: 0, level, callback, user_data }));
        });
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Adds a listener, which is told what happens beside all others, for as long as its handle lives: parts of a program need not
/// know of one another.
///
/// @param level         one of mmnas_log_level: messages that matter less are left out
/// @param callback      who is told; not NULL
/// @param user_data     handed to the callback as it is; may be NULL
/// @param listener_out  receives the listener, which the caller owns and frees with mmnas_log_listener_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called at any time from any thread, but not from a callback. It waits as mmnas_log_set() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_log_listen(
    level: i32,
    callback: mmnas_log_callback,
    user_data: *mut c_void,
    listener_out: *mut *mut mmnas_log_listener,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let body = || {
        check_level(level)?;
        let callback = callback.ok_or_else(|| boundary::null("callback"))?;
        subscribe();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        change(|targets| targets.push(Target { id, level, callback, user_data }));
        Ok(mmnas_log_listener { id })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("listener_out", listener_out, error_out, body) }
}

/// Ends a listener. When the call returns it is not called any more, so what its `user_data` led to may go.
///
/// @param listener  a listener, or NULL, which does nothing
///
/// Threads: may be called at any time from any thread, but not from a callback: there it does nothing, and the listener goes on.
/// It waits as mmnas_log_set() does.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_log_listener_free(listener: *mut mmnas_log_listener) {
    boundary::free(listener);
}

fn number(level: &Level) -> i32 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Hands events on; there are no spans.
struct Forward;

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // The level may change, so it is looked at each time.
        tracing::subscriber::Interest::sometimes()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = CString::new(line.text.replace('\0', "\\0")).unwrap_or_default();
        let level = number(event.metadata().level());
        let targets = TARGETS.read().unwrap_or_else(PoisonError::into_inner);
        callback::inside(|| {
            for target in targets.iter().filter(|target| level <= target.level) {
                // SAFETY: the host has given the callback for this, and the text lives until it returns.
                unsafe { (target.callback)(target.user_data, level, text.as_ptr(), text.count_bytes()) };
            }
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A message with what belongs to it.
#[derive(Default)]
struct Line {
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            let rest = std::mem::take(&mut self.text);
            write!(self.text, "{value:?}{rest}")
        } else {
            write!(self.text, " {}={value:?}", field.name())
        };
    }
}
