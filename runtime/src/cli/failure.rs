//! Why a command did not end well.

use mmnas_runtime::Error;

/// What ended a command before its end.
pub(crate) enum Failure {
    /// An error of the library.
    Library(Error),
    /// A bundle that was to be verified is damaged.
    Damaged(Error),
    /// The result cannot be written.
    Output(std::io::Error),
    /// A signal stopped it; what it kept.
    Stopped(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Library(error)
    }
}

impl From<mmnas_runtime::bundle::Error> for Failure {
    fn from(error: mmnas_runtime::bundle::Error) -> Failure {
        Failure::Library(error.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::Output(error.into())
    }
}
