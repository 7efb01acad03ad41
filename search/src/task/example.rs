//! Examples of a network's answers, right and wrong.
//!
//! They are the lines of `examples.jsonl` in a run's folder.

use serde::{Deserialize, Serialize};

/// One sample and what the network made of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The question, phrase or caption.
    pub text: String,
    /// The right result: an answer, or the name of an image; empty for boxes.
    pub expected: String,
    /// The result that was found, likewise.
    pub found: String,
    /// Whether it counts as right.
    pub right: bool,
    /// Probability of the result that was found, 0 to 1, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The box that is meant, `[x1, y1, x2, y2]` in pixels of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_box: Option<[f32; 4]>,
    /// The box that was found, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_box: Option<[f32; 4]>,
    /// Ranked candidates, the best first: other answers, images or captions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<RankedCandidate>,
}

/// One place in a ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedCandidate {
    /// File name of the image, where images are ranked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The answer or caption, where texts are ranked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Its score; the ranking is by it.
    pub score: f64,
    /// Whether it is one of those that should have been found.
    #[serde(default)]
    pub right: bool,
}

/// Selects `count` of `examples`, evenly over the list: the wrong ones and the right ones.
///
/// Half of them are wrong and half right where there are enough of both; otherwise there are more
/// of the others.
pub(crate) fn select<'a>(examples: &'a [Example], count: usize) -> [Vec<&'a Example>; 2] {
    let (right, wrong): (Vec<&Example>, Vec<&Example>) = examples.iter().partition(|example| example.right);
    let wrong_count = wrong.len().min(count.div_ceil(2).max(count.saturating_sub(right.len())));
    let counts = [wrong_count, right.len().min(count - wrong_count)];
    let spread = |all: &[&'a Example], count: usize| (0..count).map(|k| all[k * all.len() / count]).collect();
    [spread(&wrong, counts[0]), spread(&right, counts[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(pattern: &str) -> Vec<Example> {
        let line = |(k, c): (usize, char)| {
            let right = c == 'r';
            let text = format!(r#"{{"image": "{k}", "text": "", "expected": "", "found": "", "right": {right}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        pattern.chars().enumerate().map(line).collect()
    }

    fn picked(pattern: &str, count: usize) -> [Vec<String>; 2] {
        select(&examples(pattern), count).map(|part| part.iter().map(|e| e.image.clone()).collect())
    }

    #[test]
    fn half_are_wrong_where_that_is_possible() {
        assert_eq!(picked("rwrwrwrw", 4), [["1", "5"], ["0", "4"]]);
        assert_eq!(picked("rrrrrw", 4), [vec!["5"], vec!["0", "1", "3"]]);
        assert_eq!(picked("wwwwwr", 4), [vec!["0", "1", "3"], vec!["5"]]);
        assert_eq!(picked("wr", 9), [["0"], ["1"]]);
        assert_eq!(picked("wwrr", 0), [Vec::<String>::new(), Vec::new()]);
        assert_eq!(picked("", 4), [Vec::<String>::new(), Vec::new()]);
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        let text = serde_json::to_string(&examples("r")[0]).unwrap();
        assert_eq!(text, r#"{"image":"0","text":"","expected":"","found":"","right":true}"#);
    }
}
