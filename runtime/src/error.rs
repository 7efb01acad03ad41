//! What can go wrong, and the number of each kind of error.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::Form;

/// What can go wrong when a bundle is loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of a bundle or around it cannot be read or holds something wrong.
    #[error(transparent)]
    Bundle(#[from] mmnas_bundle::Error),
    /// An argument of a call is outside its range.
    #[error("{argument}: expected {expected}, found {found}")]
    Argument {
        /// The argument.
        argument: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An image cannot be decoded.
    #[error("{image}: cannot decode the image: {reason}")]
    Image {
        /// The image's file, or "(bytes)" where it came from memory.
        image: String,
        /// What the decoder says.
        reason: String,
    },
    /// A sample that a bundle is measured on is at fault.
    #[error("{}: {source}", place_of_sample(file.as_deref(), *number, image))]
    Sample {
        /// The file that it stands in, where it comes from one.
        file: Option<PathBuf>,
        /// Which one, from 1: its line in the file, or its place among the samples.
        number: usize,
        /// Its image.
        image: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// No ONNX Runtime could be loaded.
    #[error(
        "no usable ONNX Runtime (1.28 or newer) found; the environment variable MMNAS_ORT_DYLIB or the option for it may name the \
         library or its folder; tried {}",
        tried.join("; ")
    )]
    OnnxRuntimeMissing {
        /// Every place that was tried, each with the reason why it did not do.
        tried: Vec<String>,
    },
    /// The process already runs another ONNX Runtime.
    ///
    /// Only one can be loaded.
    #[error(
        "{}: cannot load this ONNX Runtime, the process already runs {}",
        asked.display(),
        loaded.display()
    )]
    OnnxRuntimeTaken {
        /// The library asked for.
        asked: PathBuf,
        /// The library that is loaded.
        loaded: PathBuf,
    },
    /// ONNX Runtime refused a graph or failed while running it.
    #[error("{}: {action} failed: {reason}", file.display())]
    Inference {
        /// The graph's file.
        file: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What ONNX Runtime says, on one line.
        reason: String,
        /// Its number for the kind of failure: an `OrtErrorCode`.
        code: i32,
    },
    /// A tensor at a stage's input or output is not what the manifest says.
    #[error("{}: {tensor}: expected {expected}, found {found}", file.display())]
    Tensor {
        /// The graph's file.
        file: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The bundle's task is not the one that the call is for.
    #[error("{}: task: expected {expected}, found {found}", bundle.display())]
    WrongTask {
        /// The bundle's folder.
        bundle: PathBuf,
        /// The task that the call needs.
        expected: &'static str,
        /// The bundle's task.
        found: String,
    },
    /// The bundle has no vision stage: it takes region features and no pixels.
    #[error("{}: vision: expected a vision stage (the call gives pixels), found none", bundle.display())]
    NoVision {
        /// The bundle's folder.
        bundle: PathBuf,
    },
    /// Region features are of another vision stage than the bundle's network reads.
    ///
    /// They are as many numbers, which mean other things.
    #[error(
        "{}: vision_sha256: expected {expected}, the features that the bundle {} reads, found {found}, those of another vision \
         stage (--any-features takes them all the same)",
        features.display(),
        bundle.display()
    )]
    OtherFeatures {
        /// The folder or file of the features.
        features: PathBuf,
        /// The bundle's folder.
        bundle: PathBuf,
        /// The hash of the vision stage whose features the bundle reads.
        expected: String,
        /// The hash of the one that gave the features.
        found: String,
    },
    /// A state was given to another model than the one that made it.
    #[error("{state}: expected a state of this model, found one of another model")]
    ForeignState {
        /// Which state.
        state: &'static str,
    },
    /// An index holds states of another model than the one that it is opened with.
    #[error("{}: model: expected an index of this model ({expected}), found one of another ({found})", index.display())]
    IndexOfOtherModel {
        /// The index's folder.
        index: PathBuf,
        /// The model's number, of its graphs' hashes.
        expected: String,
        /// The number that the index was made with.
        found: String,
    },
    /// The call was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// A long call was stopped; what it had done is kept.
    #[error("stopped: {kept} of {of} images are kept; the same call goes on with the others")]
    Stopped {
        /// Images that are done.
        kept: usize,
        /// Images in all.
        of: usize,
    },
    /// A measurement of probes was stopped; what was measured is kept.
    #[error("stopped: {kept} of {of} graphs are kept in {}; the same call goes on with the others", file.display())]
    ProfileStopped {
        /// Graphs that are measured.
        kept: usize,
        /// Graphs in all.
        of: usize,
        /// Where they are kept.
        file: PathBuf,
    },
    /// The times of a graph are spread too far to mean anything.
    #[error(
        "{probe} {form}: spread: expected at most {limit} of the median, found {spread:.3}: keep the machine quiet, use fewer \
         threads, or allow more spread (--max-spread)"
    )]
    Unsteady {
        /// The graph's name.
        probe: String,
        /// Its operators and number format.
        form: Form,
        /// Half the distance between the quartiles, relative to the median.
        spread: f64,
        /// The most that is allowed.
        limit: f64,
    },
    /// The call's deadline passed before it was done.
    #[error("the call's deadline passed before it was done")]
    DeadlineExceeded,
    /// The queue of requests is full.
    #[error("the queue of requests is full; try again later")]
    Overloaded,
    /// The handle takes no more requests.
    #[error("the model takes no more requests")]
    Closed,
    /// None of the providers that the options allow can be had on this machine.
    #[error("no provider can be had: {}", reasons.join("; "))]
    Provider {
        /// For each provider why not.
        reasons: Vec<String>,
    },
    /// A bundle does not give its recorded outputs.
    #[error("{}: verification failed: {reason}", bundle.display())]
    Verification {
        /// The bundle's folder.
        bundle: PathBuf,
        /// The stages that failed and how.
        reason: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an [`Error`] as a number that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum ErrorCode {
    /// An argument is outside its range, or does not belong to the model.
    InvalidArgument = 1,
    /// The operating system refused to read or write.
    Io = 2,
    /// A file of the bundle is damaged, cut, or not what the manifest says.
    InvalidBundle = 3,
    /// The bundle was written by a later major version.
    FutureVersion = 4,
    /// An image cannot be decoded.
    Image = 5,
    /// A text holds no word.
    EmptyText = 6,
    /// ONNX Runtime is not found, not loadable, too old, or another one is loaded already.
    OnnxRuntimeMissing = 7,
    /// ONNX Runtime refused a graph or failed while running it.
    Inference = 8,
    /// The call does not fit the bundle's task or its inputs.
    WrongTask = 9,
    /// The bundle does not give its recorded outputs.
    VerificationFailed = 10,
    /// An output is in the way.
    Exists = 11,
    /// The call was cancelled.
    Cancelled = 12,
    /// The call's deadline passed before it was done.
    DeadlineExceeded = 13,
    /// None of the allowed providers can be had on this machine.
    Provider = 14,
    /// The queue of requests is full.
    Overloaded = 15,
    /// The handle takes no more requests.
    Closed = 16,
}

impl Error {
    /// The error's kind.
    pub fn code(&self) -> ErrorCode {
        use mmnas_bundle::Error as Bundle;
        match self {
            Error::Bundle(Bundle::Io { .. }) => ErrorCode::Io,
            Error::Bundle(Bundle::FutureVersion { .. }) => ErrorCode::FutureVersion,
            Error::Bundle(Bundle::EmptyText { .. }) => ErrorCode::EmptyText,
            Error::Bundle(Bundle::Exists { .. } | Bundle::Busy { .. }) => ErrorCode::Exists,
            Error::Bundle(_) => ErrorCode::InvalidBundle,
            Error::Argument { .. }
            | Error::ForeignState { .. }
            | Error::IndexOfOtherModel { .. }
            | Error::Unsteady { .. }
            | Error::OtherFeatures { .. } => ErrorCode::InvalidArgument,
            Error::Image { .. } => ErrorCode::Image,
            Error::Sample { source, .. } => source.code(),
            Error::OnnxRuntimeMissing { .. } | Error::OnnxRuntimeTaken { .. } => ErrorCode::OnnxRuntimeMissing,
            Error::Inference { .. } | Error::Tensor { .. } => ErrorCode::Inference,
            Error::WrongTask { .. } | Error::NoVision { .. } => ErrorCode::WrongTask,
            Error::Verification { .. } => ErrorCode::VerificationFailed,
            Error::Cancelled | Error::Stopped { .. } | Error::ProfileStopped { .. } => ErrorCode::Cancelled,
            Error::DeadlineExceeded => ErrorCode::DeadlineExceeded,
            Error::Provider { .. } => ErrorCode::Provider,
            Error::Overloaded => ErrorCode::Overloaded,
            Error::Closed => ErrorCode::Closed,
        }
    }

    /// An [`Error::Argument`].
    pub(crate) fn argument(
        argument: &'static str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::Argument { argument, expected: expected.to_string(), found: found.to_string() }
    }

    /// ONNX Runtime's own number for the kind of failure, an `OrtErrorCode`.
    ///
    /// There is one where it was ONNX Runtime that failed.
    pub fn onnxruntime_code(&self) -> Option<i32> {
        match self {
            Error::Inference { code, .. } => Some(*code),
            Error::Sample { source, .. } => source.onnxruntime_code(),
            _ => None,
        }
    }

    /// The error as one of the sample `place`, counted from 0, about `image`.
    pub(crate) fn of_sample(place: usize, image: &str) -> impl FnOnce(Error) -> Error {
        let image = image.to_owned();
        move |source| Error::Sample { file: None, number: place + 1, image, source: Box::new(source) }
    }

    /// Adds to an error of a sample its line in `file`.
    ///
    /// The samples stand on `lines`. Other errors stay as they are.
    pub fn at_line(self, file: &Path, lines: &[usize]) -> Error {
        match self {
            Error::Sample { file: None, number, image, source } => match lines.get(number.wrapping_sub(1)) {
                Some(&line) => Error::Sample { file: Some(file.to_path_buf()), number: line, image, source },
                None => Error::Sample { file: None, number, image, source },
            },
            other => other,
        }
    }

    /// What is wrong with a sample, of the part that it is wrong with.
    pub(crate) fn of_flaw(flaw: mmnas_bundle::samples::Flaw) -> Error {
        Error::argument(flaw.field, flaw.expected, flaw.found)
    }

    /// An [`Error::Inference`].
    pub(crate) fn inference(file: &Path, action: &'static str, error: &ort::Error) -> Error {
        let code = ort::sys::OrtErrorCode::from(error.code()) as i32;
        Error::inference_of(file, action, &error.to_string(), code)
    }

    /// As [`Error::inference`]; the reason is brought onto one line.
    fn inference_of(file: &Path, action: &'static str, reason: &str, code: i32) -> Error {
        Error::Inference { file: file.to_path_buf(), action, reason: one_line(reason), code }
    }

    /// An [`Error::Bundle`] for a field that holds something else than it must.
    pub(crate) fn invalid(
        file: &Path,
        field: impl Into<String>,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        mmnas_bundle::Error::invalid(file, field, expected, found).into()
    }

    /// An [`Error::Bundle`] for a file that the system does not let us read.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let wrap = mmnas_bundle::Error::io(path, "read");
        move |source| wrap(source).into()
    }
}

/// Where a sample stands, for people.
fn place_of_sample(file: Option<&Path>, number: usize, image: &str) -> String {
    match file {
        Some(file) => format!("{}: line {number}", file.display()),
        None => format!("samples: {number} ({image})"),
    }
}

/// `text` with every run of white space, line ends included, turned into one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_kind_of_the_inner_error() {
        let io = Error::read(Path::new("x"))(std::io::ErrorKind::NotFound.into());
        assert_eq!(io.code(), ErrorCode::Io);
        let invalid = Error::invalid(Path::new("manifest.json"), "text", "a word", "none");
        assert_eq!(invalid.code(), ErrorCode::InvalidBundle);
        assert_eq!(invalid.to_string(), "manifest.json: text: expected a word, found none");
        let empty = Error::from(mmnas_bundle::Error::EmptyText { text: "?".into() });
        assert_eq!(empty.code() as i32, 6);
    }

    #[test]
    fn a_sample_is_named_by_its_line_where_it_has_one() {
        let error = || Error::of_sample(1, "a.png")(Error::argument("text", "at least one word", "none"));
        assert_eq!(error().to_string(), "samples: 2 (a.png): text: expected at least one word, found none");
        let placed = error().at_line(Path::new("s.jsonl"), &[1, 5]);
        assert_eq!(placed.to_string(), "s.jsonl: line 5: text: expected at least one word, found none");
        assert_eq!(placed.code(), ErrorCode::InvalidArgument);
        // A line that is known stays, and so does what is none of a sample.
        assert!(placed.at_line(Path::new("t.jsonl"), &[7, 8]).to_string().starts_with("s.jsonl: line 5"));
        assert!(matches!(Error::Cancelled.at_line(Path::new("s.jsonl"), &[1]), Error::Cancelled));
    }

    #[test]
    fn an_unsteady_graph_is_named_with_what_to_do() {
        let probe = "fusion 4 x feed_forward".to_owned();
        let error = Error::Unsteady { probe, form: Form::ORT_FP32, spread: 0.4123, limit: 0.25 };
        let told = error.to_string();
        let begin = "fusion 4 x feed_forward ort-fp32: spread: expected at most 0.25 of the median, found 0.412: ";
        assert!(told.starts_with(begin) && told.ends_with("(--max-spread)"), "{told}");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn reasons_of_several_lines_become_one() {
        let error = Error::inference_of(Path::new("a.onnx"), "loading", "first\n  second", 1);
        assert_eq!(error.onnxruntime_code(), Some(1));
        assert_eq!(error.to_string(), "a.onnx: loading failed: first second");
    }
}
