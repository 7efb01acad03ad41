use std::path::PathBuf;

/// What can go wrong while exporting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the contract could not be read or written.
    #[error(transparent)]
    Bundle(#[from] mmnas_bundle::Error),
    /// A checkpoint that does not parse.
    #[error("{}: expected {expected}, found {found}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What it must be.
        expected: &'static str,
        /// The reader's answer.
        found: String,
    },
    /// A parameter that is missing or has another shape.
    #[error("parameter {name}: expected {expected}, found {found}")]
    Parameter {
        /// Its published name.
        name: String,
        /// The shape that the network needs.
        expected: String,
        /// The shape that is there, or "none".
        found: String,
    },
    /// A block whose operation has no exporter.
    #[error(
        "block {block}: expected an operation that bundles know (self_att_64, rel_self_att_64, guided_att_64 or feed_forward), found {operation}"
    )]
    Operation {
        /// Prefix of the block's parameters.
        block: String,
        /// The operation.
        operation: mmnas_bundle::Operation,
    },
    /// The task has no exporter yet.
    #[error("task: expected vqa, found {task}")]
    Task {
        /// The task.
        task: mmnas_bundle::manifest::TaskName,
    },
    /// The vision stage is not the one whose features the network was trained on.
    #[error("vision stage: expected the graph that the network was trained on, sha256 {expected}; found {found}")]
    OtherVision {
        /// Recorded when the network was trained.
        expected: String,
        /// Of the vision stage that was given.
        found: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
