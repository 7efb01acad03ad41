//! `[text]`: how text becomes numbers.

use mmnas_bundle::manifest::AnswerScores;
use serde::Deserialize;
use serde::Serialize;

/// How questions and answers become numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRules {
    /// Longer questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Answers that occur less often are no label (9 in the published code: "more than 8 times").
    pub min_answer_count: usize,
    /// How answers are scored and trained: each by itself with a binary cross-entropy, as published, or all together with the
    /// cross-entropy of their softmax, which learns faster from few data where one answer is right.
    #[serde(default, skip_serializing_if = "AnswerScores::is_published")]
    pub answer_scores: AnswerScores,
    /// Whether samples with the same phrase about the same image are one whose every box is right (grounding; "any box" in the
    /// literature on phrases of several things); else, as published, each is a sample of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_box: bool,
    /// A validation of image-text matching ranks at most this many images against each other's captions.
    #[serde(default = "thousand")]
    pub ranked_images: usize,
    /// How a validation of image-text matching ranks where the network has a joint embedding; none: as where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortlist: Option<Shortlist>,
}

/// A ranking in two steps: the joint embedding draws candidates, the network scores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortlist {
    /// Images that are ranked against each other's captions, at most.
    pub images: usize,
    /// Candidates of a query that are scored: by their cosines as long as the head has learnt nothing.
    pub candidates: usize,
}

pub(crate) fn thousand() -> usize {
    1000
}
