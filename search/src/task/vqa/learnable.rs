//! Checks that there is something to learn in questions.

use std::collections::HashMap;

use mmnas_bundle::Error as BundleError;

use crate::data::labels::spaced_once;
use crate::data::learnable::{RunParts, some_names};
use crate::error::Result;
use crate::task::vqa::data::VqaData;

impl VqaData {
    /// Notes on the answers that a run trains on.
    ///
    /// # Errors
    /// A single label; a part that is trained on without any answer that is a label.
    pub fn learnable_answers(&self, parts: &RunParts<'_>) -> Result<Vec<String>> {
        let labels = self.labels();
        let file = self.common().file_of("labels").or(self.common().file_of("samples")).unwrap_or("labels");
        let invalid = |expected: &str, found: String| BundleError::invalid(file, "answer", expected, found);
        if let [only] = labels {
            let found = format!("one: {only:?}, which is always right");
            return Err(invalid("at least two different answers that are labels", found).into());
        }
        let has_label = |sample: &usize| self.expected(*sample).is_some();
        for part in parts.training {
            if !part.iter().any(has_label) {
                let found = format!("none of the {} questions of a part that is trained on", part.len());
                return Err(invalid("an answer that is one of the labels", found).into());
            }
        }
        let mut counts = vec![0usize; labels.len()];
        parts.training_samples().for_each(|sample| self.target_labels(sample).for_each(|label| counts[label] += 1));
        let mut told = Vec::new();
        let (occur, never): (Vec<_>, Vec<_>) = labels.iter().zip(&counts).partition(|(_, count)| **count > 0);
        let never: Vec<&String> = never.into_iter().map(|(label, _)| label).collect();
        if !never.is_empty() {
            let (count, of) = (never.len(), labels.len());
            told.push(format!("{count} of {of} labels never occur in training: {}", some_names(&never)));
        }
        if let [(only, _)] = occur.as_slice() {
            told.push(format!("every answer in training is {only:?}"));
        }
        let of = parts.training_samples().count();
        let known = parts.training_samples().filter(has_label).count();
        if 2 * known < of {
            told.push(format!("{} of {of} answers in training are no label: nothing is learnt from them", of - known));
        }
        if !parts.validation.iter().any(has_label) {
            let of = parts.validation.len();
            told.push(format!("none of the {of} questions of the validation part has an answer that is a label: its score will tell nothing"));
        }
        told.extend(alike(labels));
        Ok(told)
    }
}

/// Labels that people take for the same.
fn alike(labels: &[String]) -> Option<String> {
    let mut known: HashMap<String, &String> = HashMap::new();
    let mut pairs: Vec<String> = Vec::new();
    for label in labels {
        if let Some(other) = known.insert(spaced_once(label).to_lowercase(), label) {
            pairs.push(format!("{other:?} and {label:?}"));
        }
    }
    let pairs = (!pairs.is_empty()).then(|| some_names(&pairs))?;
    Some(format!("labels that differ in white space or case alone are different answers: {pairs}"))
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::VqaSample;
    use tch::Device;

    use super::*;
    use crate::data::data_files::DataFiles;
    use crate::data::test_data::{features, lines, question, recipe};

    fn told(answers: &[&str], labels: Option<&str>, training: &[&[usize]], validation: &[usize]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        let sample = |answer: &&str| VqaSample { answer: (*answer).to_owned(), ..question("a", "what is it?") };
        let samples: Vec<VqaSample> = answers.iter().map(sample).collect();
        let mut files = DataFiles::new(lines(&path("s.jsonl"), &samples), path("f"));
        if let Some(labels) = labels {
            std::fs::write(path("labels.json"), labels).unwrap();
            files.labels = Some(path("labels.json"));
        }
        let data = VqaData::read(&files, &recipe(&["vqa.min_answer_count=1"]), Device::Cpu).unwrap();
        let parts = RunParts { training, validation };
        data.learnable_answers(&parts).unwrap_or_else(|error| vec![format!("error: {error}")])
    }

    #[test]
    fn answers_that_nothing_can_be_learnt_from_are_told() {
        let some = ["yes", "no", "red", "no"];
        assert_eq!(told(&some, None, &[&[0, 1, 2]], &[3]), [""; 0]);
        let never = told(&some, Some(r#"["yes", "no", "red", "unseen", "blue"]"#), &[&[0], &[1, 2]], &[3]);
        assert_eq!(never, ["2 of 5 labels never occur in training: unseen, blue"]);
        let found = told(&["yes", "yes", "no"], None, &[&[0, 1]], &[2]);
        assert_eq!(found, ["1 of 2 labels never occur in training: no", "every answer in training is \"yes\""]);
        let found = told(&["yes", "blue", "no", "green"], Some(r#"["yes", "no"]"#), &[&[0, 1, 2]], &[3]);
        assert!(found[0].contains("none of the 1 questions of the validation part"), "{found:?}");
        let found = told(&["yes", "blue", "red", "no"], Some(r#"["yes", "no"]"#), &[&[0, 1, 2]], &[3]);
        assert!(found.contains(&"2 of 3 answers in training are no label: nothing is learnt from them".to_owned()));
        let found = told(&["Yes", "yes", "no", "no "], None, &[&[0, 1, 2, 3]], &[2]);
        assert!(found[0].ends_with("\"Yes\" and \"yes\", \"no\" and \"no \""), "{found:?}");
        // Nothing at all.
        let found = told(&["yes", "yes"], None, &[&[0]], &[1]);
        assert!(found[0].starts_with("error: s.jsonl: answer: expected at least two different answers"), "{found:?}");
        let found = told(&["yes", "blue", "no"], Some(r#"["yes", "no"]"#), &[&[0], &[1]], &[2]);
        assert!(found[0].contains("labels.json: answer: expected an answer that is one of the labels"), "{found:?}");
    }
}
