//! Handles whose calls end early.
//!
//! There is one for each request, with a time and a token of its own.

use crate::boundary;
use crate::cancel::mmnas_cancel_token;
use crate::deadline::limits;
use crate::error::mmnas_error;
use crate::index::mmnas_index;
use crate::model::mmnas_model;
use crate::status::mmnas_status;

/// Makes another handle to a loaded model, as mmnas_model_limited() does, for the time that a request has left: also where that
/// is none. What ends are calls that read pictures or texts, or run the network.
///
/// @param model         the model; where it is itself limited, its own limits stay with it and are not the new handle's
/// @param token         what ends the calls, or NULL for nothing; not needed after the call
/// @param milliseconds  how long from now calls may take, over all calls that are made with the new handle; MMNAS_AT_ONCE (0) or
///                      less: they end at once; MMNAS_NO_DEADLINE: as long as it takes
/// @param limited_out   receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_limited_to(
    model: *const mmnas_model,
    token: *const mmnas_cancel_token,
    milliseconds: i64,
    limited_out: *mut *mut mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        Ok(mmnas_model::new(model.model.limited(limits(token, milliseconds)?)))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("limited_out", limited_out, error_out, body) }
}

/// Makes another handle to an open index, whose searches end early: after a time, when a token is cancelled, or at whichever
/// comes first. It costs next to nothing, so make one for each request.
///
/// The searches are the mmnas_index_find_... functions; mmnas_index_get_image() and mmnas_index_get_text() end early too. They
/// look at the limits between two batches of what they score, while a shortlist is made (the next search goes on with it where
/// this one stopped), and inside the network's graphs; and they do not wait longer for a change by another thread. All other
/// functions do with either handle the same, to the one index, which is open until the last of its handles is freed.
///
/// @param index         the index; where it is itself limited, or was opened with a model that is, those limits are not the new
///                      handle's
/// @param token         what ends the searches, or NULL for nothing; not needed after the call
/// @param milliseconds  how long from now searches may take, over all that are made with the new handle; MMNAS_AT_ONCE (0) or
///                      less: they end at once; MMNAS_NO_DEADLINE: as long as it takes
/// @param limited_out   receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called from many threads at once with the same index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_limited_to(
    index: *const mmnas_index,
    token: *const mmnas_cancel_token,
    milliseconds: i64,
    limited_out: *mut *mut mmnas_index,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || Ok(boundary::handle("index", index)?.limited(limits(token, milliseconds)?));
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("limited_out", limited_out, error_out, body) }
}
