//! `[vqa]`: which answers there are, and how they are scored.

use mmnas_bundle::manifest::AnswerScores;
use serde::{Deserialize, Serialize};

/// Settings of visual question answering alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VqaSettings {
    /// Answers that occur less often are no label (published: 9, "more than 8 times").
    pub min_answer_count: usize,
    /// How answers are scored and trained.
    ///
    /// `sigmoid` takes each by itself with a binary cross-entropy, as published. `softmax` takes all together with the
    /// cross-entropy of their softmax, which learns faster from few data where one answer is right.
    pub answer_scores: AnswerScores,
}
