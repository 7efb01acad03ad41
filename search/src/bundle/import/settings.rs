//! What an import is told.

use mmnas_bundle::manifest::AnswerScores;
use mmnas_bundle::manifest::TaskName;
use std::path::Path;

use crate::error::Error;

/// What a checkpoint does not say of itself.
#[derive(Debug, Clone, Copy)]
pub struct ImportSettings {
    /// What the network is for.
    pub task: TaskName,
    /// Texts are cut to this many tokens; the published models have 14, for image-text matching 50.
    pub max_tokens: Option<usize>,
    /// Width of an attention head, where no RSA block tells it; the published models have 64.
    pub head: usize,
    /// How the answers' probabilities follow from the logits (VQA); the published models have a sigmoid.
    pub answer_scores: AnswerScores,
}

pub(crate) fn wrong(file: &Path, field: &str, expected: &str, found: String) -> Error {
    Error::Checkpoint { file: file.to_path_buf(), field: field.to_owned(), expected: expected.to_owned(), found }
}
