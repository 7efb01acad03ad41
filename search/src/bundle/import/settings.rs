//! Settings of an import.

use mmnas_bundle::manifest::AnswerScores;
use mmnas_bundle::manifest::TaskName;
use std::path::Path;

use crate::error::Error;

/// Settings that a checkpoint does not hold.
#[derive(Debug, Clone, Copy)]
pub struct ImportSettings {
    /// The network's task.
    pub task: TaskName,
    /// Largest number of tokens; longer texts are cut.
    ///
    /// The published models have 14, for image-text matching 50.
    pub max_tokens: Option<usize>,
    /// Width of an attention head, unless an RSA block determines it.
    ///
    /// The published models have 64.
    pub head: usize,
    /// Function from logits to the answers' probabilities (VQA).
    ///
    /// The published models have a sigmoid.
    pub answer_scores: AnswerScores,
}

pub(crate) fn wrong(file: &Path, field: &str, expected: &str, found: String) -> Error {
    Error::Checkpoint { file: file.to_path_buf(), field: field.to_owned(), expected: expected.to_owned(), found }
}
