//! The errors of this crate.

use std::path::PathBuf;

/// An error of searching, training or exporting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the contract (samples, features, architecture, folders) is invalid.
    #[error(transparent)]
    Bundle(#[from] mmnas_bundle::Error),
    /// The export refused the network or could not write it.
    #[error(transparent)]
    Export(#[from] mmnas_export::Error),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A recipe that does not parse, or with a value out of its range.
    #[error("{}: {field}: expected {expected}, found {found}", file.display())]
    Recipe {
        /// The recipe's file.
        file: PathBuf,
        /// The key.
        field: String,
        /// The expected value.
        expected: String,
        /// The found value.
        found: String,
    },
    /// An operation that does not exist, is not allowed there, or not at these sizes.
    #[error("{place}: expected {expected}, found {found}")]
    Operation {
        /// The place: a list of operations, a block, an operation's own name.
        place: String,
        /// The expected value.
        expected: String,
        /// The found value.
        found: String,
    },
    /// Limits that no architecture of the space keeps.
    #[error("limits: expected a network of at most {limits}; nearest in the space comes {nearest}")]
    NothingFits {
        /// The limits.
        limits: String,
        /// The architecture that comes nearest and what it takes.
        nearest: String,
    },
    /// Neither a preset architecture nor a file.
    #[error("architecture: expected a file or one of {presets}; found {found:?}")]
    UnknownArchitecture {
        /// The name that was asked for.
        found: String,
        /// Names of the presets.
        presets: String,
    },
    /// A checkpoint or weights file that does not fit the run.
    #[error("{}: {field}: expected {expected}, found {found}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// The tensor or state.
        field: String,
        /// The expected value.
        expected: String,
        /// The found value.
        found: String,
    },
    /// A checkpoint whose parameters are not the network's.
    #[error(
        "{}: parameters: expected those of the architecture, found {}",
        file.display(),
        [("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)]
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{} {what}: {}", names.len(), names.join(", ")))
            .collect::<Vec<_>>()
            .join("; ")
    )]
    Parameters {
        /// The file.
        file: PathBuf,
        /// Names that the network has and the file has not.
        missing: Vec<String>,
        /// Names that the file has and the network has not.
        unexpected: Vec<String>,
        /// Names with both shapes.
        misshaped: Vec<String>,
    },
    /// The loss or a gradient became infinite or not a number.
    ///
    /// A checkpoint that was written stays as it was.
    #[error(
        "epoch {epoch}, step {step}: expected a finite {what}, found {value}: the training has diverged (a lower learning rate, a \
         stricter clip or model.standardise may help); a checkpoint, where one was written, is kept"
    )]
    NotFinite {
        /// Epoch, from 0.
        epoch: usize,
        /// Step inside the epoch, from 0.
        step: usize,
        /// "loss" or "gradient norm".
        what: &'static str,
        /// The value.
        value: f64,
    },
    /// A device that cannot be computed on.
    #[error("device {name}: expected {expected}, found {found}")]
    Device {
        /// The name that was asked for.
        name: String,
        /// The expected name, library or device.
        expected: String,
        /// The found value, with the words of the system's loader or of libtorch.
        found: String,
    },
    /// A part of the data without any sample.
    #[error("data: the {part} part: expected at least one sample, found none ({images} images in all; see [split])")]
    EmptyPart {
        /// Name of the part.
        part: &'static str,
        /// Number of images before the split.
        images: usize,
    },
    /// A run folder that is already in use.
    #[error("{}: a run lies there already; --resume continues it, another --out starts a new one", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A contender of a comparison that does not exist.
    #[error("contender: expected {names}, found {found}")]
    Contender {
        /// The name that was asked for.
        found: String,
        /// Names of the contenders.
        names: String,
    },
    /// A run folder that is worked in already.
    #[error("{}: {by} works on this run", path.display())]
    RunBusy {
        /// The folder.
        path: PathBuf,
        /// The process that works in it.
        by: mmnas_bundle::Writer,
    },
    /// A folder for a new run that holds other files.
    #[error("{}: expected an empty or a new folder for the run, found {found} in it", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// One of its files.
        found: String,
    },
    /// A run to continue that was started with another recipe or other inputs.
    #[error("{}: expected what the run was started with, {started}; found {now}", file.display())]
    OtherRun {
        /// The file that records it.
        file: PathBuf,
        /// The first line that differs, as recorded.
        started: String,
        /// The same line as it would be now.
        now: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
