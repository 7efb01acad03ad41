//! What can go wrong while exporting.

use std::fmt;
use std::path::PathBuf;

use mmnas_bundle::manifest::Form;
use serde::{Serialize, Serializer};

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
        "block {block}: expected an operation of the published code, in a place where it has what it reads; found {operation}"
    )]
    Operation {
        /// Prefix of the block's parameters.
        block: String,
        /// The operation.
        operation: mmnas_bundle::Operation,
    },
    /// Heads that do not fill the width of an attention.
    #[error("block {block}: expected a width that is a multiple of the head width {width}, found {hidden}")]
    Heads {
        /// Prefix of the block's parameters.
        block: String,
        /// Width of a head.
        width: usize,
        /// Width of all heads together.
        hidden: usize,
    },
    /// A graph whose values do not fit together: a mistake of the exporter.
    #[error("{file}: expected operators whose inputs fit, found {node}")]
    Graph {
        /// The graph's file.
        file: String,
        /// The first node whose output has no type.
        node: String,
    },
    /// What was written does not run, or does not give what was recorded.
    #[error("{}: expected the bundle to be verified, found: {found}", program.display())]
    Verify {
        /// The program that ran the bundle.
        program: PathBuf,
        /// What it said.
        found: String,
    },
    /// Graphs that have to be there do not give what was recorded.
    ///
    /// They are those of every form, or of the one that was asked for.
    #[error(
        "expected graphs that give what was recorded, found others: {}",
        failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Unverified {
        /// The graphs and what they gave.
        failed: Vec<FailedGraphs>,
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

/// Graphs that do not give what was recorded.
///
/// They are those of a form in the three stages, or the merged one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedGraphs {
    /// Operators and number format.
    #[serde(rename = "variant", serialize_with = "display")]
    pub form: Form,
    /// Whether it is the graph of the whole network.
    pub merged: bool,
    /// What they gave.
    pub reason: String,
}

fn display<S: Serializer>(form: &Form, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(form)
}

impl fmt::Display for FailedGraphs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.form, if self.merged { " (merged)" } else { "" }, self.reason)
    }
}
