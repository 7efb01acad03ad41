//! The boundary between C and Rust.
//!
//! Panics stop here, out-parameters are written here, and handles are made, looked up and freed here.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread;

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{callback, handles};

/// Runs a function that has nothing to return but its status.
///
/// # Safety
///
/// `error_out` is NULL or may be written to.
pub(crate) unsafe fn call(
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<(), mmnas_error>,
) -> mmnas_status {
    // SAFETY: promised by the caller of this function.
    unsafe { store(error_out, std::ptr::null_mut()) };
    let body = || {
        if callback::is_inside() {
            return Err(mmnas_error::invalid("the caller", "code outside of the log callback", "the log callback"));
        }
        body()
    };
    let error = match catch(body) {
        Ok(Ok(())) => return mmnas_status::Ok,
        Ok(Err(error)) => error,
        Err(message) => mmnas_error::new(mmnas_status::Panic, &message),
    };
    let status = error.status();
    if !error_out.is_null() {
        // SAFETY: as above.
        unsafe { store(error_out, handles::keep(error)) };
    }
    status
}

/// Runs a function that makes a handle.
///
/// The handle goes to `out`, or NULL when there is none.
///
/// # Safety
///
/// `out` and `error_out` are each NULL or may be written to.
pub(crate) unsafe fn make<T: Any + Send + Sync>(
    name: &str,
    out: *mut *mut T,
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<T, mmnas_error>,
) -> mmnas_status {
    // SAFETY: promised by the caller of this function.
    unsafe { make_any(name, out, error_out, || body().map(Some)) }
}

/// As [`make`], for a function that may have nothing to make a handle of.
///
/// Then `out` has NULL, and that is a success.
///
/// # Safety
///
/// As [`make`].
pub(crate) unsafe fn make_any<T: Any + Send + Sync>(
    name: &str,
    out: *mut *mut T,
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<Option<T>, mmnas_error>,
) -> mmnas_status {
    // SAFETY: promised by the caller of this function.
    unsafe { store(out, std::ptr::null_mut()) };
    let body = || {
        // Without a place for the handle the work would be for nothing, and its result lost.
        if out.is_null() {
            return Err(null(name));
        }
        let handle = body()?.map_or(std::ptr::null_mut(), handles::keep);
        // SAFETY: as above.
        unsafe { store(out, handle) };
        Ok(())
    };
    // SAFETY: as above.
    unsafe { call(error_out, body) }
}

/// As [`make`], for `count` handles of one kind: all of them, or none.
///
/// # Safety
///
/// `out` is NULL or has room for `count` handles; `error_out` is NULL or may be written to.
pub(crate) unsafe fn make_all<T: Any + Send + Sync>(
    name: &str,
    out: *mut *mut T,
    count: usize,
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<Vec<T>, mmnas_error>,
) -> mmnas_status {
    let body = || Ok(body()?.into_iter().map(Ok).collect());
    // SAFETY: promised by the caller of this function.
    unsafe { make_each(name, out, std::ptr::null_mut(), count, error_out, body) }
}

/// As [`make_all`], but each handle is made or has an error.
///
/// The error goes to the same place of `errors_out`.
///
/// # Safety
///
/// `out` and `errors_out` are each NULL or have room for `count` handles; `error_out` is NULL or may be written to.
pub(crate) unsafe fn make_each<T: Any + Send + Sync>(
    name: &str,
    out: *mut *mut T,
    errors_out: *mut *mut mmnas_error,
    count: usize,
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<Vec<Result<T, mmnas_error>>, mmnas_error>,
) -> mmnas_status {
    // A count that no list can have is refused where the caller's lists are looked at.
    let room = if count > isize::MAX.unsigned_abs() / size_of::<*mut T>() { 0 } else { count };
    let write = |place: usize, made: *mut T, error: *mut mmnas_error| {
        // SAFETY: each is NULL or has, as promised by the caller of this function, room for `count` handles; `place` is less.
        unsafe {
            if !out.is_null() {
                out.add(place).write_unaligned(made);
            }
            if !errors_out.is_null() {
                errors_out.add(place).write_unaligned(error);
            }
        }
    };
    (0..room).for_each(|place| write(place, std::ptr::null_mut(), std::ptr::null_mut()));
    let body = || {
        if out.is_null() {
            return Err(null(name));
        }
        let outcomes = body()?;
        if outcomes.len() != room {
            let message = format!("{name}: {} were made for a list of {count}", outcomes.len());
            return Err(mmnas_error::new(mmnas_status::Panic, &message));
        }
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(made) => write(place, handles::keep(made), std::ptr::null_mut()),
                // Without a place for it nobody could free it.
                Err(error) if errors_out.is_null() => drop(error),
                Err(error) => write(place, std::ptr::null_mut(), handles::keep(error)),
            }
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { call(error_out, body) }
}

/// The element `place` of what a handle holds.
pub(crate) fn element<'a, T>(name: &str, all: &'a [T], place: usize) -> Result<&'a T, mmnas_error> {
    all.get(place).ok_or_else(|| mmnas_error::invalid(name, &format!("less than {}", all.len()), &place.to_string()))
}

/// Runs a function that cannot fail.
///
/// `fallback` is its value should it panic all the same.
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    if callback::is_inside() {
        return fallback;
    }
    catch(body).unwrap_or(fallback)
}

/// As [`value`], in the log callback too: for errors, which calls from there give.
pub(crate) fn always<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(fallback)
}

/// Runs a function that writes `width` numbers to the caller's room, or none.
///
/// # Safety
///
/// `out` is NULL or has room for `width` numbers; `error_out` is NULL or may be written to.
pub(crate) unsafe fn numbers(
    name: &str,
    out: *mut f32,
    width: usize,
    error_out: *mut *mut mmnas_error,
    body: impl FnOnce() -> Result<Vec<f32>, mmnas_error>,
) -> mmnas_status {
    let body = || {
        let found = body()?;
        if found.len() != width {
            return Err(mmnas_error::invalid("width", &found.len().to_string(), &width.to_string()));
        }
        if out.is_null() {
            return Err(null(name));
        }
        for (place, number) in found.into_iter().enumerate() {
            // SAFETY: promised by the caller of this function, and `place` is less than `width`.
            unsafe { store(out.add(place), number) };
        }
        Ok(())
    };
    // SAFETY: promised by the caller of this function.
    unsafe { call(error_out, body) }
}

/// Frees a handle that [`make`] gave out; does nothing where it is none any more.
pub(crate) fn free<T: Any + Send + Sync>(handle: *mut T) {
    value((), || handles::release(handle));
}

/// What a handle stands for.
pub(crate) fn handle<T: Any + Send + Sync>(name: &str, pointer: *const T) -> Result<Arc<T>, mmnas_error> {
    if pointer.is_null() {
        return Err(null(name));
    }
    handles::find(pointer).ok_or_else(|| {
        let kind = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        mmnas_error::invalid(name, &format!("a live {kind}"), "one that was freed, or something else")
    })
}

/// Reads something of what a handle stands for; `fallback` where it stands for nothing.
pub(crate) fn read<T: Any + Send + Sync, R: Copy>(pointer: *const T, fallback: R, get: impl FnOnce(&T) -> R) -> R {
    value(fallback, || handles::find(pointer).map_or(fallback, |object| get(&object)))
}

/// Writes to an out-parameter. NULL means that the caller does not want the value.
///
/// # Safety
///
/// `out` is NULL or may be written to.
pub(crate) unsafe fn store<T: Copy>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: promised by the caller of this function.
        unsafe { out.write_unaligned(value) };
    }
}

/// As [`store`], for a place of four numbers.
///
/// # Safety
///
/// `out` is NULL or leads to room for four numbers.
pub(crate) unsafe fn store_box(out: *mut f32, corners: [f32; 4]) {
    // SAFETY: promised by the caller of this function.
    unsafe { store(out.cast::<[f32; 4]>(), corners) };
}

pub(crate) fn null(name: &str) -> mmnas_error {
    mmnas_error::invalid(name, "a pointer", "NULL")
}

thread_local! {
    /// How many calls of this library are under way on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the last panic inside such a call happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How many calls are under way on all threads.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Runs `body`; a panic becomes its message.
///
/// `AssertUnwindSafe` holds because the runtime keeps its locks' contents valid at every step, and because what `body`
/// was making is dropped when it unwinds. Where a thread is ending and has no storage any more, only the place is lost.
fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    keep_quiet();
    let _ = PLACE.try_with(|place| place.take());
    let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
    CALLS.fetch_add(1, Ordering::Relaxed);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    CALLS.fetch_sub(1, Ordering::Relaxed);
    let _ = DEPTH.try_with(|depth| depth.set(depth.get() - 1));
    result.map_err(|payload| {
        let place = PLACE.try_with(|place| place.take()).ok().flatten();
        let place = place.map_or_else(String::new, |place| format!(" at {place}"));
        format!("the library panicked{place}: {}", text_of(payload))
    })
}

fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => {
                // Dropping what we know nothing about might panic again, outside of any boundary.
                std::mem::forget(payload);
                "no message".to_owned()
            }
        },
    }
}

/// A panic normally prints to the host's standard error.
///
/// This replaces the printing, while calls of this library are under way on this thread or on those that it lets work
/// for it, by a note of the place for the message. It reaches no further than the copy of Rust's standard library that
/// this library was linked with.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    // The hook must not be changed by a thread that is unwinding; the next call will do it.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
            let here = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false);
            if !here {
                return if CALLS.load(Ordering::Relaxed) == 0 {
                    previous(panic)
                };
            }
            let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
            // A panic while a thread ends finds no storage any more, and then needs no place.
            let _ = PLACE.try_with(|slot| slot.replace(place));
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::{call, free, make, value};
    use crate::error::mmnas_error;
    use crate::error_handle::mmnas_error_free;
    use crate::status::mmnas_status;

    /// What a caller sees of a failure: its status and its message.
    fn failure(body: impl FnOnce() -> Result<(), mmnas_error>) -> (mmnas_status, String) {
        let mut error = ptr::null_mut();
        // SAFETY: `error` may be written to.
        let status = unsafe { call(&raw mut error, body) };
        let seen = crate::handles::find(error).unwrap();
        assert_eq!(seen.status(), status);
        let message = seen.message().to_str().unwrap().to_owned();
        mmnas_error_free(error);
        (status, message)
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_place() {
        let (status, message) = failure(|| panic!("number {}", 7));
        assert_eq!(status, mmnas_status::Panic);
        assert!(message.starts_with("the library panicked at "), "{message}");
        assert!(message.contains("boundary.rs:"), "{message}");
        assert!(message.ends_with(": number 7"), "{message}");
    }

    #[test]
    fn a_panic_of_another_kind_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let (status, message) = failure(|| std::panic::panic_any(Bomb));
        assert_eq!(status, mmnas_status::Panic);
        assert!(message.ends_with(": no message"), "{message}");
    }

    #[test]
    fn a_caller_need_not_take_the_error() {
        // SAFETY: NULL is allowed.
        let status = unsafe { call(ptr::null_mut(), || Err(mmnas_error::new(mmnas_status::Io, "no"))) };
        assert_eq!(status, mmnas_status::Io);
    }

    #[test]
    fn out_parameters_are_cleared_first() {
        let mut out: *mut u32 = ptr::dangling_mut();
        let mut error = ptr::dangling_mut();
        // SAFETY: both may be written to.
        let status = unsafe { make("number_out", &raw mut out, &raw mut error, || Ok(6)) };
        assert_eq!(status, mmnas_status::Ok);
        assert!(error.is_null());
        assert_eq!(crate::handles::find(out).as_deref(), Some(&6));
        free(out);
        // SAFETY: both may be written to.
        let status = unsafe { make("number_out", &raw mut out, ptr::null_mut(), || panic!("no number")) };
        assert_eq!(status, mmnas_status::Panic);
        assert!(out.is_null());
    }

    #[test]
    fn what_cannot_fail_has_a_fallback() {
        assert_eq!(value(3, || panic!("no value")), 3);
    }
}
