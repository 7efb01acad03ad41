//! `[vqa]`: which answers there are, and how they are scored.

use mmnas_bundle::manifest::AnswerScores;
use serde::{Deserialize, Serialize};

/// Settings of visual question answering alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VqaSettings {
    /// Fewest occurrences of an answer that is a label.
    ///
    /// Published: 9, "more than 8 times".
    pub min_answer_count: usize,
    /// How answers are scored and trained: `sigmoid` (published) or `softmax`.
    ///
    /// `sigmoid` takes each answer by itself with a binary cross-entropy. `softmax` takes all
    /// together with the cross-entropy of their softmax. It learns faster from few data where one
    /// answer is right.
    pub answer_scores: AnswerScores,
}
