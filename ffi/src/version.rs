//! Which library a program runs with.

use std::ffi::c_char;
use std::sync::OnceLock;

use crate::strings::Text;
use crate::{boundary, handles};

/// The version of the ABI that this header describes, the number at the end of the shared library's SONAME.
///
/// It is raised when a program that was built against an earlier header could misbehave. New functions and new status
/// codes do not raise it.
pub const MMNAS_ABI_VERSION: u32 = 1;

/// The version of the library, such as "0.1.0".
///
/// @return a static, NUL-terminated text; never NULL, never to be freed
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The version of the ABI that the loaded library speaks.
///
/// A program that finds its library at run time compares it with MMNAS_ABI_VERSION, which is what it was built against;
/// where they differ it must not call anything but mmnas_version().
///
/// @return the number
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_abi_version() -> u32 {
    MMNAS_ABI_VERSION
}

/// How many handles the process holds that were not freed, of every type: 0 in a program that has freed all. For tests that
/// look for leaks, since tools that look for lost memory do not see handles.
///
/// @return the number
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_handles_live() -> usize {
    boundary::value(0, handles::count)
}

/// The ONNX Runtime library that the process runs.
///
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return its path: UTF-8, NUL-terminated, valid for the life of the process, never to be freed; NULL before a model was
///         loaded
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_onnxruntime_path(len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { onnxruntime(len_out, |(path, _)| path) }
}

/// The version of the ONNX Runtime that the process runs, such as "1.28.0".
///
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return UTF-8, NUL-terminated, valid for the life of the process, never to be freed; "unknown" where the library does not
///         tell; NULL before a model was loaded
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_onnxruntime_version(len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { onnxruntime(len_out, |(_, version)| version) }
}

/// # Safety
///
/// `len_out` is NULL or may be written to.
unsafe fn onnxruntime(len_out: *mut usize, part: impl FnOnce(&(Text, Text)) -> &Text) -> *const c_char {
    // The process keeps the library that it has loaded once, so these never change.
    static KNOWN: OnceLock<(Text, Text)> = OnceLock::new();
    let (pointer, len) = boundary::value((std::ptr::null(), 0), || {
        let known = KNOWN.get().or_else(|| {
            let (path, version) = runtime::onnxruntime()?;
            Some(KNOWN.get_or_init(|| (Text::new(&path.to_string_lossy()), Text::new(&version))))
        });
        known.map(part).map_or((std::ptr::null(), 0), |text| (text.pointer(), text.len()))
    });
    // SAFETY: promised by the caller of this function.
    unsafe { boundary::store(len_out, len) };
    pointer
}
