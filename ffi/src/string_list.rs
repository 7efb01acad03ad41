//! Lists of strings: the keys of an index, words of a text.

use std::ffi::c_char;

use crate::boundary;
use crate::strings::Text;

/// The keys of an index, as they were when they were asked for, or words of a text.
pub struct mmnas_keys {
    pub(crate) keys: Vec<Text>,
}

/// How many keys there are.
///
/// @param keys  the keys
/// @return the number; 0 for NULL
///
/// Threads: the keys may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_keys_count(keys: *const mmnas_keys) -> usize {
    boundary::read(keys, 0, |keys| keys.keys.len())
}

/// Reads one key.
///
/// @param keys     the keys
/// @param index    which one, from 0
/// @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the keys: valid until mmnas_keys_free(); NULL where there is no such key
///
/// Threads: the keys may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_keys_get(keys: *const mmnas_keys, index: usize, len_out: *mut usize) -> *const c_char {
    let none = (std::ptr::null(), 0);
    let (key, len) =
        boundary::read(keys, none, |keys| keys.keys.get(index).map_or(none, |key| (key.pointer(), key.len())));
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { boundary::store(len_out, len) };
    key
}

/// Frees keys.
///
/// @param keys  keys, or NULL, which does nothing
///
/// Threads: no other thread may use the keys any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_keys_free(keys: *mut mmnas_keys) {
    boundary::free(keys);
}
