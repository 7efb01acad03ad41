//! The numbers that functions return.

use std::ffi::c_char;

use runtime::ErrorCode;

/// What a function returns: MMNAS_STATUS_OK, or the kind of failure.
///
/// A status is always an int32_t. The numbers are part of the ABI: none is ever given a second meaning. A later library
/// may return numbers that are not in this list, so treat whatever is not MMNAS_STATUS_OK as a failure.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_status {
    /// It worked.
    Ok = 0,
    /// An argument is NULL, not UTF-8, out of range, or belongs to another model. The message names it, and says what was
    /// expected and what was found.
    InvalidArgument = 1,
    /// A file or folder could not be read or written.
    Io = 2,
    /// A file of the bundle is damaged, cut, missing, or not what the manifest says.
    InvalidBundle = 3,
    /// The bundle was written for a later version of this library.
    FutureVersion = 4,
    /// The image cannot be decoded.
    Image = 5,
    /// The text holds no word.
    EmptyText = 6,
    /// ONNX Runtime is not found, cannot be loaded, is too old, or the process already runs another one.
    OnnxRuntimeMissing = 7,
    /// ONNX Runtime refused a graph or failed while running it.
    Inference = 8,
    /// The call does not fit the bundle's task or its inputs.
    WrongTask = 9,
    /// The bundle does not give its recorded outputs. No function returns it: mmnas_verification_passed() tells.
    VerificationFailed = 10,
    /// What was to be written is there already.
    Exists = 11,
    /// The call was cancelled.
    Cancelled = 12,
    /// The call's deadline passed before it was done.
    DeadlineExceeded = 13,
    /// None of the allowed providers can be had on this machine.
    Provider = 14,
    /// The queue of a mmnas_batcher is full.
    Overloaded = 15,
    /// The mmnas_batcher takes no more calls.
    Closed = 16,
    /// The library failed in a way that its authors did not foresee. Please report the message.
    Panic = 100,
}

/// The name of a status, such as "MMNAS_STATUS_IO", for people.
///
/// @param status  a status
/// @return a static, NUL-terminated text; never NULL; "MMNAS_STATUS_UNKNOWN" for a number that this library does not know
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_status_name(status: i32) -> *const c_char {
    let name = match status {
        0 => c"MMNAS_STATUS_OK",
        1 => c"MMNAS_STATUS_INVALID_ARGUMENT",
        2 => c"MMNAS_STATUS_IO",
        3 => c"MMNAS_STATUS_INVALID_BUNDLE",
        4 => c"MMNAS_STATUS_FUTURE_VERSION",
        5 => c"MMNAS_STATUS_IMAGE",
        6 => c"MMNAS_STATUS_EMPTY_TEXT",
        7 => c"MMNAS_STATUS_ONNX_RUNTIME_MISSING",
        8 => c"MMNAS_STATUS_INFERENCE",
        9 => c"MMNAS_STATUS_WRONG_TASK",
        10 => c"MMNAS_STATUS_VERIFICATION_FAILED",
        11 => c"MMNAS_STATUS_EXISTS",
        12 => c"MMNAS_STATUS_CANCELLED",
        13 => c"MMNAS_STATUS_DEADLINE_EXCEEDED",
        14 => c"MMNAS_STATUS_PROVIDER",
        15 => c"MMNAS_STATUS_OVERLOADED",
        16 => c"MMNAS_STATUS_CLOSED",
        100 => c"MMNAS_STATUS_PANIC",
        _ => c"MMNAS_STATUS_UNKNOWN",
    };
    name.as_ptr()
}

impl From<ErrorCode> for mmnas_status {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::InvalidArgument => Self::InvalidArgument,
            ErrorCode::Io => Self::Io,
            ErrorCode::InvalidBundle => Self::InvalidBundle,
            ErrorCode::FutureVersion => Self::FutureVersion,
            ErrorCode::Image => Self::Image,
            ErrorCode::EmptyText => Self::EmptyText,
            ErrorCode::OnnxRuntimeMissing => Self::OnnxRuntimeMissing,
            ErrorCode::Inference => Self::Inference,
            ErrorCode::WrongTask => Self::WrongTask,
            ErrorCode::VerificationFailed => Self::VerificationFailed,
            ErrorCode::Exists => Self::Exists,
            ErrorCode::Cancelled => Self::Cancelled,
            ErrorCode::DeadlineExceeded => Self::DeadlineExceeded,
            ErrorCode::Provider => Self::Provider,
            ErrorCode::Overloaded => Self::Overloaded,
            ErrorCode::Closed => Self::Closed,
            // A kind that the runtime has gained and this list has not: an oversight here, so it is reported as one.
            _ => Self::Panic,
        }
    }
}

// Both lists are written out, so that neither changes without the other.
const _: () = {
    assert!(mmnas_status::InvalidArgument as i32 == ErrorCode::InvalidArgument as i32);
    assert!(mmnas_status::Io as i32 == ErrorCode::Io as i32);
    assert!(mmnas_status::InvalidBundle as i32 == ErrorCode::InvalidBundle as i32);
    assert!(mmnas_status::FutureVersion as i32 == ErrorCode::FutureVersion as i32);
    assert!(mmnas_status::Image as i32 == ErrorCode::Image as i32);
    assert!(mmnas_status::EmptyText as i32 == ErrorCode::EmptyText as i32);
    assert!(mmnas_status::OnnxRuntimeMissing as i32 == ErrorCode::OnnxRuntimeMissing as i32);
    assert!(mmnas_status::Inference as i32 == ErrorCode::Inference as i32);
    assert!(mmnas_status::WrongTask as i32 == ErrorCode::WrongTask as i32);
    assert!(mmnas_status::VerificationFailed as i32 == ErrorCode::VerificationFailed as i32);
    assert!(mmnas_status::Exists as i32 == ErrorCode::Exists as i32);
    assert!(mmnas_status::Cancelled as i32 == ErrorCode::Cancelled as i32);
    assert!(mmnas_status::DeadlineExceeded as i32 == ErrorCode::DeadlineExceeded as i32);
    assert!(mmnas_status::Provider as i32 == ErrorCode::Provider as i32);
    assert!(mmnas_status::Overloaded as i32 == ErrorCode::Overloaded as i32);
    assert!(mmnas_status::Closed as i32 == ErrorCode::Closed as i32);
};
