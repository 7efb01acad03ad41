//! Which library a program runs with.

use std::ffi::c_char;

/// The version of the ABI that this header describes, the number at the end of the shared library's SONAME.
///
/// It is raised when a program that was built against an earlier header could misbehave. New functions and new status
/// codes do not raise it.
pub const MMNAS_ABI_VERSION: u32 = 0;

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
