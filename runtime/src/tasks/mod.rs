//! What a model is asked: answers, groundings, matches, and why.

pub(crate) mod answer;
pub(crate) mod explain;
pub(crate) mod grounding;
pub(crate) mod matching;
