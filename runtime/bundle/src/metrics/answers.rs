//! Answers of VQA: their official normalisation and accuracy.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::metrics::contractions::CONTRACTIONS;

/// Marks that are deleted or become a space. Apostrophe, colon and dollar stay.
const PUNCTUATION: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];
/// Most periods that are deleted.
///
/// The official code hands a flag where the number of replacements belongs, so it deletes this many at most.
const MOST_PERIODS: usize = 32;
const NUMBERS: [(&str, &str); 12] = [
    ("none", "0"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
];

/// An answer as the official VQA evaluation and the published labels write it.
///
/// Punctuation first, then lower case, number words, articles and contractions (`fixtures/official/answers.json`).
pub fn normalise(answer: &str) -> String {
    words(&without_periods(&without_punctuation(answer)))
}

/// Deletes punctuation marks, or turns them into spaces.
///
/// A mark is deleted if it has a space beside it anywhere in the answer, or if the answer has a comma between two
/// digits; else it becomes a space. Both are asked of the answer as it came, not of what earlier marks left of it.
fn without_punctuation(answer: &str) -> String {
    let bytes = answer.as_bytes();
    let grouped = bytes.windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b',' && w[2].is_ascii_digit());
    let beside_space = |mark: char| answer.contains(&format!("{mark} ")) || answer.contains(&format!(" {mark}"));
    let mut text = answer.to_owned();
    for mark in PUNCTUATION {
        if text.contains(mark) {
            text = text.replace(mark, if grouped || beside_space(mark) { "" } else { " " });
        }
    }
    text
}

/// A period stays where a digit follows it.
///
/// (That a digit before it would keep it too is what the official pattern means to say, but does not.)
fn without_periods(text: &str) -> String {
    let mut left = MOST_PERIODS;
    let mut characters = text.chars().peekable();
    let mut kept = String::with_capacity(text.len());
    while let Some(c) = characters.next() {
        if c == '.' && left > 0 && !characters.peek().is_some_and(char::is_ascii_digit) {
            left -= 1;
        } else {
            kept.push(c);
        }
    }
    kept
}

fn words(text: &str) -> String {
    static REPLACED: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| CONTRACTIONS.into_iter().collect());
    let lower = text.to_lowercase();
    let number = |word| NUMBERS.iter().find(|(name, _)| *name == word).map_or(word, |(_, digits)| *digits);
    let words = lower.split_whitespace().map(number).filter(|word| !["a", "an", "the"].contains(word));
    words.map(|word| *REPLACED.get(word).unwrap_or(&word)).collect::<Vec<_>>().join(" ")
}

/// The official accuracy of `answer`, 0 to 1; 0 without annotators.
///
/// `annotators` are their answers as they wrote them. Each annotator is left out once, min(1, matches / 3) is taken
/// over the others, and the mean over all is the accuracy.
///
/// The answers are compared normalised, but where all annotators wrote the same they are compared as they are, spaces at
/// the ends apart (official).
pub fn official_accuracy(answer: &str, annotators: &[String]) -> f64 {
    let as_written = |text: &str| text.replace(['\n', '\t'], " ").trim().to_owned();
    let mut given: Vec<String> = annotators.iter().map(|text| as_written(text)).collect();
    let mut answer = as_written(answer);
    if given.windows(2).any(|w| w[0] != w[1]) {
        given.iter_mut().for_each(|text| *text = normalise(text));
        answer = normalise(&answer);
    }
    let matches = given.iter().filter(|text| **text == answer).count();
    let without = |text: &String| (matches - usize::from(*text == answer)).min(3) as f64 / 3.0;
    given.iter().map(without).sum::<f64>() / given.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(answers: &[(&str, usize)]) -> Vec<String> {
        answers.iter().flat_map(|(answer, count)| std::iter::repeat_n((*answer).to_owned(), *count)).collect()
    }

    #[test]
    fn every_mark_follows_the_answer_as_it_came() {
        // The slash has a space beside it and goes everywhere; the dash has none and parts its words.
        assert_eq!(normalise("a/b / c-d"), "ab c d");
        // One grouped number, and no mark leaves a space.
        assert_eq!(normalise("1,000-2,000"), "10002000");
        assert_eq!(normalise("5-6"), "5 6");
        assert_eq!(normalise("v1.5."), "v1.5");
        assert_eq!(normalise("5. "), "5");
        assert_eq!(normalise(&".".repeat(40)), ".".repeat(8));
    }

    #[test]
    fn words_are_looked_up_after_numbers_and_articles() {
        assert_eq!(normalise("The Ten AN none"), "10 0");
        assert_eq!(normalise("Im what IVE"), "im what ive");
        assert_eq!(normalise("somebody'd youre Y'allll"), "somebodyd you're y'all'll");
        assert_eq!(normalise("?"), "");
    }

    #[test]
    fn accuracy_leaves_every_annotator_out_once() {
        let close = |answer: &str, answers: &[(&str, usize)], expected: f64| {
            let found = official_accuracy(answer, &given(answers));
            assert!((found - expected).abs() < 1e-12, "{answer} {answers:?}: {found}, {expected}");
        };
        close("cat", &[("cat", 1), ("dog", 9)], 0.3);
        // Two of ten: 1/3 for each of the two that are left out, 2/3 for the other eight.
        close("cat", &[("cat", 2), ("dog", 8)], (2.0 / 3.0 + 16.0 / 3.0) / 10.0);
        close("cat", &[("cat", 3), ("dog", 7)], 0.9);
        close("cat", &[("cat", 4), ("dog", 6)], 1.0);
        close("cat", &[("dog", 9), ("cow", 1)], 0.0);
        close("Two", &[("2", 3), ("two", 2), ("three", 5)], 1.0);
        assert_eq!(official_accuracy("cat", &[]), 0.0);
    }

    #[test]
    fn where_all_annotators_agree_nothing_is_normalised() {
        assert_eq!(official_accuracy("dog", &given(&[("the dog", 10)])), 0.0);
        assert_eq!(official_accuracy(" the\tdog", &given(&[("the dog\n", 10)])), 1.0);
        assert_eq!(official_accuracy("dog", &given(&[("the dog", 9), ("a dog", 1)])), 1.0);
    }
}
