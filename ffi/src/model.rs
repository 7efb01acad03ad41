//! Loading a model.

use std::ffi::c_char;

use runtime::{LoadOptions, Model};

use crate::error::mmnas_error;
use crate::options::mmnas_options;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// A loaded bundle, ready to run.
pub struct mmnas_model {
    pub(crate) model: Model,
}

boundary::shareable!(mmnas_model);

/// Loads a bundle: the folder that `mmnas-search export` writes.
///
/// The first load of a process also loads ONNX Runtime; where from is told at the top of this header.
///
/// @param path       the folder, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param options    how to load it, or NULL for the defaults; only read, and not needed after the call
/// @param model_out  receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO (no such folder),
///         MMNAS_STATUS_INVALID_BUNDLE, MMNAS_STATUS_FUTURE_VERSION, MMNAS_STATUS_ONNX_RUNTIME_MISSING, or
///         MMNAS_STATUS_INFERENCE (ONNX Runtime refused a graph)
///
/// Threads: may be called from many threads at once, also with the same options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_load(
    path: *const c_char,
    path_len: usize,
    options: *const mmnas_options,
    model_out: *mut *mut mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        // SAFETY: the caller passes NULL or live options that nobody changes meanwhile.
        let options = unsafe { options.as_ref() };
        let model = match options {
            Some(options) => Model::load(&path, &options.options)?,
            None => Model::load(&path, &LoadOptions::default())?,
        };
        Ok(mmnas_model { model })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("model_out", model_out, error_out, body) }
}

/// Frees a model. Answers that came from it stay valid. Images do too, but serve no other model, so all that can be done
/// with them is to free them.
///
/// @param model  a model, or NULL, which does nothing
///
/// Threads: no other thread may use the model any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_free(model: *mut mmnas_model) {
    // SAFETY: the caller passes NULL or a model that this library made, and gives it up.
    unsafe { boundary::free(model) }
}
