//! Answers of VQA: the published labels and soft targets.

use std::collections::HashMap;

use mmnas_bundle::answers::normalise;

/// Soft targets of the annotators' answers, which are normalised, by first appearance.
///
/// The published targets are 0.3, 0.6, 0.9 and 1 for 1, 2, 3 and more annotators.
pub fn soft_targets(annotators: &[String]) -> Vec<(String, f32)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for answer in annotators.iter().map(|answer| normalise(answer)) {
        match counts.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count += 1,
            None => counts.push((answer, 1)),
        }
    }
    let score = |count| [0.3, 0.6, 0.9].get(count - 1).copied().unwrap_or(1.0);
    counts.into_iter().map(|(answer, count)| (answer, score(count))).collect()
}

/// The labels: answers that occur `min_count` times or more.
///
/// They stand in the order of their first appearance.
pub fn frequent_answers<S: AsRef<str>>(answers: &[S], min_count: usize) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for answer in answers {
        *counts.entry(answer.as_ref()).or_default() += 1;
    }
    let mut labels = Vec::new();
    for answer in answers.iter().map(AsRef::as_ref) {
        // Taken out when it becomes a label, so that it becomes one once.
        if counts.remove(answer).is_some_and(|count| count >= min_count) {
            labels.push(answer.to_owned());
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(answers: &[(&str, usize)]) -> Vec<String> {
        answers.iter().flat_map(|(answer, count)| std::iter::repeat_n((*answer).to_owned(), *count)).collect()
    }

    #[test]
    fn targets_grow_with_the_annotators() {
        let found = soft_targets(&given(&[("Red", 1), ("two", 2), ("a dog", 3), ("2", 1), ("blue", 5), ("red", 1)]));
        let expected = [("red", 0.6), ("2", 0.9), ("dog", 0.9), ("blue", 1.0)];
        assert_eq!(found, expected.map(|(answer, score)| (answer.to_owned(), score)));
        assert_eq!(soft_targets(&given(&[("no", 1)])), [("no".to_owned(), 0.3)]);
    }

    #[test]
    fn labels_are_the_frequent_answers_by_first_appearance() {
        let answers = ["no", "yes", "red", "yes", "no"];
        assert_eq!(frequent_answers(&answers, 2), ["no", "yes"]);
        assert_eq!(frequent_answers(&answers, 1), ["no", "yes", "red"]);
        assert!(frequent_answers(&answers, 3).is_empty());
    }
}
