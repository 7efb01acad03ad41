//! Why a call failed.

use std::error::Error;
use std::ffi::{CStr, CString};

use crate::status::mmnas_status;

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

    pub(crate) fn message(&self) -> &CStr {
        &self.message
    }

    pub(crate) fn onnxruntime(&self) -> i32 {
        self.onnxruntime
    }
}

impl From<runtime::Error> for mmnas_error {
    fn from(error: runtime::Error) -> Self {
        Self { onnxruntime: error.onnxruntime_code().unwrap_or(0), ..Self::new(error.code().into(), &chain(&error)) }
    }
}

/// The error and all that led to it, joined by colons.
///
/// Whoever reads a C message has no way to ask for the source.
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
        assert_eq!(mmnas_error::new(mmnas_status::Io, "a\0b").message(), c"a\\0b");
    }
}
