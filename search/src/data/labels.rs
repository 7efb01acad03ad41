//! Files of the answers that are labels.

use std::collections::HashMap;
use std::path::Path;

use mmnas_bundle::{Error as BundleError, read_json_file};

use crate::error::Result;

/// Reads the answers in the order of the logits, a JSON array.
pub(crate) fn read(file: &Path) -> Result<Vec<String>> {
    let labels: Vec<String> = read_json_file(file)?;
    check(&labels, file)?;
    Ok(labels)
}

/// Checks that `labels`, which `file` holds, can be distinguished.
///
/// There is at least one, each once, and none of white space alone. Labels that differ in white
/// space alone are a mistake of the file. Letters in another case are another answer, as answers
/// are compared letter for letter. An empty label is what the official normalisation leaves of "a":
/// [`check_empty`].
pub(crate) fn check(labels: &[String], file: &Path) -> Result<()> {
    let invalid =
        |field: String, expected: &str, found: String| Err(BundleError::invalid(file, field, expected, found));
    if labels.is_empty() {
        invalid("(labels)".to_owned(), "at least one answer", "none".to_owned())?;
    }
    let mut known: HashMap<String, &String> = HashMap::new();
    for (place, label) in labels.iter().enumerate() {
        let field = || format!("[{place}]");
        let words = spaced_once(label);
        if words.is_empty() && !label.is_empty() {
            invalid(field(), "an answer", format!("{label:?}"))?;
        }
        match known.insert(words, label) {
            Some(other) if other == label => invalid(field(), "every answer once", format!("{label:?} twice"))?,
            Some(other) => {
                let expected = "answers that differ in more than white space";
                invalid(field(), expected, format!("{other:?} and {label:?}"))?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Refuses an empty label if no sample has annotators' answers.
///
/// These alone are normalised, and so can become empty.
pub(crate) fn check_empty(labels: &[String], file: &Path, annotated: bool) -> Result<()> {
    match labels.iter().position(String::is_empty).filter(|_| !annotated) {
        Some(place) => Err(BundleError::invalid(file, format!("[{place}]"), "an answer", "\"\"").into()),
        None => Ok(()),
    }
}

/// The words of `label` with one space between each two.
pub(crate) fn spaced_once(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(labels: &[&str], annotated: bool) -> std::result::Result<(), String> {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let file = Path::new("labels.json");
        check(&labels, file).and_then(|()| check_empty(&labels, file, annotated)).map_err(|e| e.to_string())
    }

    #[test]
    fn labels_that_are_no_answers_are_named_with_their_place() {
        for (labels, part) in [
            (&[][..], "at least one answer"),
            (&["yes", ""], "labels.json: [1]: expected an answer, found \"\""),
            (&["yes", " \t"], "labels.json: [1]: expected an answer"),
            (&["yes", "no", "yes"], "[2]: expected every answer once, found \"yes\" twice"),
            (&["hot dog", "hot  dog"], "[1]: expected answers that differ in more than white space"),
            (&["dog", "dog "], "\"dog\" and \"dog \""),
        ] {
            let error = checked(labels, false).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        checked(&["Polish", "polish", "dog", "hot dog"], false).unwrap();
        // The published labels have an empty one: what is left of the answer "a".
        checked(&["net", "", "pitcher"], true).unwrap();
        assert!(checked(&["", ""], true).is_err() && checked(&[" "], true).is_err());
    }
}
