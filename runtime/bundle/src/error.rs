//! What can go wrong with files of the contract.

use std::fmt;
use std::path::{Path, PathBuf};

/// What can be wrong with a bundle, its inputs, or the files around it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file or folder.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: "read", "write", "list".
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A field holds something else than it must.
    #[error("{}: {field}: expected {expected}, found {found}", file.display())]
    Invalid {
        /// The file that holds the field.
        file: PathBuf,
        /// The field, as a path inside the file.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file's content is not what the manifest recorded.
    #[error("{}: sha256 differs from the manifest's: expected {expected}, found {found}", file.display())]
    Hash {
        /// The file.
        file: PathBuf,
        /// The hash that the manifest records, in hexadecimal.
        expected: String,
        /// The hash of the file as it is.
        found: String,
    },
    /// The file was written by a later version than this one can read.
    #[error("{}: format version {found} is newer than {supported}.x, the newest that this version of mmnas reads", file.display())]
    FutureVersion {
        /// The file.
        file: PathBuf,
        /// Its version, "major.minor".
        found: String,
        /// The newest major version that can be read.
        supported: u32,
    },
    /// A text without any word was given where at least one is needed.
    #[error("text: expected at least one word, found {text:?}")]
    EmptyText {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The same output is being written already.
    #[error("{}: is being written by {by}", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Who writes it.
        by: Writer,
    },
    /// An output is in the way: nothing is overwritten.
    #[error("{}: already exists and is not overwritten", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with JSON, without the place: whoever tells it names the place too.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, action, source }
    }

    /// An [`Error::Invalid`] for `field` of `file`.
    pub fn invalid(
        file: impl AsRef<Path>,
        field: impl Into<String>,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::Invalid {
            file: file.as_ref().to_path_buf(),
            field: field.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// An [`Error::Invalid`] for JSON that does not parse or has the wrong form.
    pub fn json(file: impl AsRef<Path>, error: &serde_json::Error) -> Error {
        Error::invalid(
            file,
            format!("line {}, column {}", error.line(), error.column()),
            "JSON of the right form",
            json_reason(error),
        )
    }
}

/// Who writes an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This process: another handle of it is open.
    ThisProcess,
    /// Another process.
    AnotherProcess,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Writer::ThisProcess => "this process itself",
            Writer::AnotherProcess => "another process",
        })
    }
}
