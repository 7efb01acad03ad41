//! Bytes, texts, paths and lists that the caller lends, a pointer and a length.
//!
//! And texts that are lent to the caller.

use std::any::Any;
use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;

use crate::boundary::{self, null};
use crate::error::mmnas_error;

/// The bytes at `pointer`. NULL with length 0 is no bytes.
///
/// # Safety
///
/// As [`slice`].
pub(crate) unsafe fn bytes<'a>(name: &str, pointer: *const u8, len: usize) -> Result<&'a [u8], mmnas_error> {
    // SAFETY: promised by the caller of this function.
    unsafe { slice(name, pointer, len) }
}

/// The `len` elements at `pointer`. NULL with length 0 is none.
///
/// # Safety
///
/// `pointer` is NULL or points to `len` elements that nobody changes while the result is in use, unless they are more than
/// any object can hold, which is an error.
pub(crate) unsafe fn slice<'a, T>(name: &str, pointer: *const T, len: usize) -> Result<&'a [T], mmnas_error> {
    let largest = isize::MAX.unsigned_abs() / size_of::<T>().max(1);
    if len > largest {
        return Err(mmnas_error::invalid(&format!("{name}_len"), &format!("at most {largest}"), &len.to_string()));
    }
    if pointer.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(name)) };
    }
    if !pointer.is_aligned() {
        return Err(mmnas_error::invalid(name, &format!("a multiple of {}", align_of::<T>()), "a pointer between"));
    }
    // SAFETY: not NULL, aligned, no larger than an object can be, and the rest is promised by the caller of this function.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The UTF-8 text at `pointer`. NULL with length 0 is the empty text.
///
/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(name: &str, pointer: *const c_char, len: usize) -> Result<&'a str, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    let bytes = unsafe { bytes(name, pointer.cast(), len) }?;
    std::str::from_utf8(bytes).map_err(|error| {
        let place = error.valid_up_to();
        let found = bytes.get(place).map_or_else(String::new, |byte| format!("byte 0x{byte:02X} "));
        mmnas_error::invalid(name, "UTF-8", &format!("{found}at offset {place}"))
    })
}

/// The path at `pointer`: UTF-8, not empty, without NUL, which no file system allows.
///
/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn path(name: &str, pointer: *const c_char, len: usize) -> Result<PathBuf, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    let text = unsafe { text(name, pointer, len) }?;
    if pointer.is_null() {
        return Err(null(name));
    }
    if text.is_empty() {
        return Err(mmnas_error::invalid(name, "a path", "an empty text"));
    }
    if let Some(place) = text.find('\0') {
        return Err(mmnas_error::invalid(name, "a path without NUL", &format!("NUL at offset {place}")));
    }
    Ok(PathBuf::from(text))
}

/// `count` handles at `pointer`, looked up.
///
/// # Safety
///
/// `pointer` is NULL or leads to `count` handles.
pub(crate) unsafe fn handles<T: Any + Send + Sync>(
    name: &str,
    pointer: *const *const T,
    count: usize,
) -> Result<Vec<Arc<T>>, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    let pointers = unsafe { slice(name, pointer, count) }?;
    let each = pointers.iter().enumerate();
    each.map(|(k, &handle)| boundary::handle(&format!("{name}[{k}]"), handle)).collect()
}

/// `count` texts, their beginnings at `pointers`, their lengths at `lengths`.
///
/// # Safety
///
/// Each is NULL or leads to `count` elements; of these each pair is as [`text`] wants it.
pub(crate) unsafe fn texts<'a>(
    name: &str,
    pointers: *const *const c_char,
    lengths: *const usize,
    count: usize,
) -> Result<Vec<&'a str>, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    unsafe { each(name, pointers, lengths, count, |name, pointer, len| text(name, pointer, len)) }?
        .into_iter()
        .collect()
}

/// What `read` makes of each of `count` beginnings at `pointers` with its length at `lengths`.
///
/// Where there are no such lists an error of all.
///
/// # Safety
///
/// Each is NULL or leads to `count` elements.
unsafe fn each<T, R>(
    name: &str,
    pointers: *const *const T,
    lengths: *const usize,
    count: usize,
    read: impl Fn(&str, *const T, usize) -> Result<R, mmnas_error>,
) -> Result<Vec<Result<R, mmnas_error>>, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    let (pointers, lengths) =
        unsafe { (slice(name, pointers, count)?, slice(&format!("{name}_len"), lengths, count)?) };
    let each = pointers.iter().zip(lengths).enumerate();
    Ok(each.map(|(k, (&pointer, &len))| read(&format!("{name}[{k}]"), pointer, len)).collect())
}

/// Reads `count` lists of bytes, each of them or its error.
///
/// Their beginnings are at `pointers`, their lengths at `lengths`.
///
/// # Safety
///
/// Each is NULL or leads to `count` elements; of these each pair is as [`bytes`] wants it.
pub(crate) unsafe fn lists_of_bytes<'a>(
    name: &str,
    pointers: *const *const u8,
    lengths: *const usize,
    count: usize,
) -> Result<Vec<Result<&'a [u8], mmnas_error>>, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    unsafe { each(name, pointers, lengths, count, |name, pointer, len| bytes(name, pointer, len)) }
}

/// Reads `count` paths, each of them or its error.
///
/// Their beginnings are at `pointers`, their lengths at `lengths`.
///
/// # Safety
///
/// As [`lists_of_bytes`].
pub(crate) unsafe fn paths(
    name: &str,
    pointers: *const *const c_char,
    lengths: *const usize,
    count: usize,
) -> Result<Vec<Result<PathBuf, mmnas_error>>, mmnas_error> {
    // SAFETY: promised by the caller of this function.
    unsafe { each(name, pointers, lengths, count, |name, pointer, len| path(name, pointer, len)) }
}

/// Text for C to read: UTF-8 with a closing NUL.
///
/// A NUL inside it stays: who wants it reads by the length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self { bytes }
    }

    pub(crate) fn pointer(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// Bytes without the closing NUL.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(1)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len()]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::{bytes, path, text};
    use crate::error::mmnas_error;

    fn message<T>(result: Result<T, mmnas_error>) -> String {
        result.err().map(|error| error.message().to_str().unwrap().to_owned()).unwrap()
    }

    fn message_of_path(given: &[u8]) -> String {
        // SAFETY: the bytes are there.
        message(unsafe { path("path", given.as_ptr().cast(), given.len()) })
    }

    #[test]
    fn null_is_the_empty_text_only_without_a_length() {
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { text("question", ptr::null(), 0) }.unwrap(), "");
        // SAFETY: NULL is allowed.
        let error = message(unsafe { text("question", ptr::null(), 1) });
        assert_eq!(error, "question: expected a pointer, found NULL");
    }

    #[test]
    fn no_object_is_larger_than_half_the_address_space() {
        // SAFETY: a length that no object can have is an error.
        let error = message(unsafe { bytes("bytes", ptr::dangling(), usize::MAX) });
        assert_eq!(error, format!("bytes_len: expected at most {}, found {}", isize::MAX, usize::MAX));
    }

    #[test]
    fn text_is_utf8() {
        // SAFETY: the bytes are there.
        let error = message(unsafe { text("question", b"what\xff".as_ptr().cast(), 5) });
        assert_eq!(error, "question: expected UTF-8, found byte 0xFF at offset 4");
        // SAFETY: the bytes are there.
        assert_eq!(unsafe { text("question", "où?".as_ptr().cast(), 4) }.unwrap(), "où?");
    }

    #[test]
    fn a_path_is_something() {
        // SAFETY: NULL is allowed.
        assert_eq!(message(unsafe { path("path", ptr::null(), 0) }), "path: expected a pointer, found NULL");
        assert_eq!(message_of_path(b""), "path: expected a path, found an empty text");
        assert_eq!(message_of_path(b"ab\0c"), "path: expected a path without NUL, found NUL at offset 2");
    }
}
