//! The error handle: what C reads of an error.

use std::ffi::c_char;

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, handles};

/// The status of an error: the one that the failed call returned.
///
/// @param error  an error, or NULL, which stands for "no error"
/// @return the status; MMNAS_STATUS_OK for NULL
///
/// Threads: the error may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_error_status(error: *const mmnas_error) -> mmnas_status {
    boundary::always(mmnas_status::Ok, || handles::find(error).map_or(mmnas_status::Ok, |error| error.status()))
}

/// The code that ONNX Runtime gave, where it was ONNX Runtime that failed: its OrtErrorCode.
///
/// @param error  an error, or NULL
/// @return the code, from 1, which is also that of failures that ONNX Runtime has no other for; 0 where loading or running a graph
///         was not what failed, and for NULL
///
/// Threads: the error may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_error_onnxruntime_code(error: *const mmnas_error) -> i32 {
    boundary::always(0, || handles::find(error).map_or(0, |error| error.onnxruntime()))
}

/// The message of an error, with everything that is known about its causes: one text in English, for people.
///
/// @param error    an error, or NULL, which stands for "no error"
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return UTF-8 text, NUL-terminated, with no NUL inside; borrowed from the error: valid until mmnas_error_free(); the
///         empty text for NULL; never NULL
///
/// Threads: the error may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_error_message(error: *const mmnas_error, len_out: *mut usize) -> *const c_char {
    boundary::always(c"".as_ptr(), || {
        let error = handles::find(error);
        let message = error.as_ref().map_or(c"", |error| error.message());
        // SAFETY: the caller passes NULL or a place to write a length to.
        unsafe { boundary::store(len_out, message.count_bytes()) };
        message.as_ptr()
    })
}

/// Frees an error and its message.
///
/// @param error  an error, or NULL, which does nothing
///
/// Threads: no other thread may use the error any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_error_free(error: *mut mmnas_error) {
    boundary::always((), || handles::release(error));
}
