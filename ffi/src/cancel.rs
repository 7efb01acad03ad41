//! What ends a call before it is done.

use runtime::CancelToken;

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, handles};

/// Ends the calls that were made with it, from any thread.
pub struct mmnas_cancel_token {
    pub(crate) token: CancelToken,
}

/// Makes a token that was not used yet. mmnas_model_limited_to() and mmnas_index_limited_to() tie calls to it.
///
/// @return a token that the caller owns and frees with mmnas_cancel_token_free(); NULL only if the library itself failed
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_cancel_token_new() -> *mut mmnas_cancel_token {
    boundary::value(std::ptr::null_mut(), || handles::keep(mmnas_cancel_token { token: CancelToken::new() }))
}

/// Ends the calls that run with this token now, between two operators of their graphs or two batches of a search, and those
/// that are made later before they begin. They fail with MMNAS_STATUS_CANCELLED. It cannot be taken back: make another token for other calls.
///
/// @param token      the token
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called at any time from any thread. Not from a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_cancel_token_cancel(
    token: *const mmnas_cancel_token,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        boundary::handle("token", token)?.token.cancel();
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Whether a token was cancelled.
///
/// @param token  the token
/// @return whether it was; false for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_cancel_token_is_cancelled(token: *const mmnas_cancel_token) -> bool {
    boundary::read(token, false, |token| token.token.is_cancelled())
}

/// Frees a token. Calls that were made with it go on.
///
/// @param token  a token, or NULL, which does nothing
///
/// Threads: no other thread may use the token any more; models and indexes that it limits may be used.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_cancel_token_free(token: *mut mmnas_cancel_token) {
    boundary::free(token);
}
