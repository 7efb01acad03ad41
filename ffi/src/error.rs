//! The error handle.

use std::error::Error;
use std::ffi::{CString, c_char};

use crate::status::mmnas_status;
use crate::{boundary, handles};

/// Why a call failed: a status and a message. Written by the call that failed, owned by its caller.
#[derive(Debug)]
pub struct mmnas_error {
    status: mmnas_status,
    message: CString,
    onnxruntime: i32,
}

impl mmnas_error {
    pub(crate) fn new(status: mmnas_status, message: &str) -> Self {
        // A message may quote what the caller passed. C reads it up to the first NUL, so none may be inside.
        let message = CString::new(message.replace('\0', "\\0")).unwrap_or_default();
        Self { status, message, onnxruntime: 0 }
    }

    pub(crate) fn invalid(argument: &str, expected: &str, found: &str) -> Self {
        Self::new(mmnas_status::InvalidArgument, &format!("{argument}: expected {expected}, found {found}"))
    }

    pub(crate) fn status(&self) -> mmnas_status {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        self.message.to_str().unwrap()
    }
}

impl From<runtime::Error> for mmnas_error {
    fn from(error: runtime::Error) -> Self {
        Self { onnxruntime: error.onnxruntime_code().unwrap_or(0), ..Self::new(error.code().into(), &chain(&error)) }
    }
}

/// The error and all that led to it, joined by colons. Whoever reads a C message has no way to ask for the source.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some errors quote their source in their own text: once is enough.
        if !message.ends_with(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

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
    boundary::always(0, || handles::find(error).map_or(0, |error| error.onnxruntime))
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
        let message = error.as_ref().map_or(c"", |error| error.message.as_c_str());
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

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::{chain, mmnas_error};
    use crate::status::mmnas_status;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|source| source as &(dyn Error + 'static))
        }
    }

    #[test]
    fn a_message_holds_every_cause_once() {
        let error = Layer("no model", Some(Box::new(Layer("no file: gone", Some(Box::new(Layer("gone", None)))))));
        assert_eq!(chain(&error), "no model: no file: gone");
    }

    #[test]
    fn a_message_may_quote_a_nul() {
        assert_eq!(mmnas_error::new(mmnas_status::Io, "a\0b").message(), "a\\0b");
    }
}
