//! Whether this thread is inside a log callback.
//!
//! There locks of the library may be held.

use std::cell::Cell;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a callback.
pub(crate) fn is_inside() -> bool {
    INSIDE.try_with(Cell::get).unwrap_or(false)
}

/// Runs `body`, which calls callbacks.
pub(crate) fn inside(body: impl FnOnce()) {
    let _ = INSIDE.try_with(|inside| inside.set(true));
    body();
    let _ = INSIDE.try_with(|inside| inside.set(false));
}
