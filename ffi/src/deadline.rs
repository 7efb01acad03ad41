//! When calls end: a time, a token, or both.

use std::time::Duration;

use runtime::Limits;

use crate::boundary;
use crate::cancel::mmnas_cancel_token;
use crate::error::mmnas_error;

/// The time of a request is over: every call with the handle ends before it begins. So it does with every number below.
pub const MMNAS_AT_ONCE: i64 = 0;

/// A request may take as long as it takes.
pub const MMNAS_NO_DEADLINE: i64 = i64::MAX;

/// What a token (or NULL) and a time end.
pub(crate) fn limits(token: *const mmnas_cancel_token, milliseconds: i64) -> Result<Limits, mmnas_error> {
    let mut limits = Limits::none();
    if !token.is_null() {
        limits = limits.cancelled_by(&boundary::handle("token", token)?.token);
    }
    if milliseconds == MMNAS_NO_DEADLINE {
        return Ok(limits);
    }
    // A time that has passed is no time at all.
    Ok(limits.within(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))))
}
