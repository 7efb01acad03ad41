//! How a model is loaded.

use std::ffi::c_char;
use std::num::NonZeroUsize;

use runtime::LoadOptions;

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// How a model is to be loaded. What is not set has its default.
#[derive(Debug, Default)]
pub struct mmnas_options {
    pub(crate) options: LoadOptions,
}

boundary::shareable!(mmnas_options);

/// Makes options in which everything has its default.
///
/// @return options that the caller owns and frees with mmnas_options_free(); NULL only if the library itself failed
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_options_new() -> *mut mmnas_options {
    boundary::value(std::ptr::null_mut(), || Box::into_raw(Box::default()))
}

/// Frees options. Models that were loaded with them stay as they are.
///
/// @param options  options, or NULL, which does nothing
///
/// Threads: no other thread may use the options any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_free(options: *mut mmnas_options) {
    // SAFETY: the caller passes NULL or options that this library made, and gives them up.
    unsafe { boundary::free(options) }
}

/// Says which ONNX Runtime library to load, instead of searching for one.
///
/// A process loads ONNX Runtime once: the first model decides, and loading a later one that asks for another library
/// fails with MMNAS_STATUS_ONNX_RUNTIME_MISSING. Nothing is opened before mmnas_model_load().
///
/// @param options    the options to change
/// @param path       the library, or a folder that holds it; UTF-8, need not be NUL-terminated; copied
/// @param path_len   the number of bytes of the path; at least 1
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_onnxruntime_library(
    options: *mut mmnas_options,
    path: *const c_char,
    path_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller passes NULL or live options that it alone uses.
        let options = unsafe { boundary::handle_mut("options", options) }?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        options.options.ort_library = Some(unsafe { strings::path("path", path, path_len) }?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Sets how many threads one operator of a graph may use.
///
/// @param options    the options to change
/// @param threads    1 to 1024, which mmnas_model_load() checks, or 0 for the default: as many as the system has to
///                   offer to the process
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_threads(
    options: *mut mmnas_options,
    threads: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller passes NULL or live options that it alone uses.
        let options = unsafe { boundary::handle_mut("options", options) }?;
        options.options.threads = NonZeroUsize::new(threads);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Sets whether loading compares the files that it reads with the SHA-256 that the bundle's manifest records. Lengths are
/// compared in any case.
///
/// @param options       the options to change
/// @param check_hashes  true, which is the default, to compare
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_check_hashes(
    options: *mut mmnas_options,
    check_hashes: bool,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller passes NULL or live options that it alone uses.
        let options = unsafe { boundary::handle_mut("options", options) }?;
        options.options.check_hashes = check_hashes;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}
