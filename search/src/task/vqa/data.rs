//! Questions and their answers.

use std::collections::HashMap;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::answers::normalise;
use mmnas_bundle::manifest::AnswerScores;
use mmnas_bundle::samples::VqaSample;
use tch::{Device, Tensor};

use crate::data::answers::{frequent_answers, soft_targets};
use crate::data::data_files::DataFiles;
use crate::data::dataset::{ImageTextData, Loaded};
use crate::data::labels;
use crate::error::Result;
use crate::recipe::Recipe;
use crate::task::vqa::batch::VqaBatch;

#[derive(Debug)]
struct Question {
    tokens: Vec<i64>,
    /// Labels and their targets above 0.
    targets: Vec<(usize, f32)>,
    annotators: Vec<String>,
    answer_type: Option<String>,
}

/// A VQA data set: questions as token ids, answers as labels.
#[derive(Debug)]
pub struct VqaData {
    common: ImageTextData,
    questions: Vec<Question>,
    labels: Vec<String>,
    scores: AnswerScores,
}

/// The answer that counts for the labels.
///
/// It is normalised where annotators gave it, otherwise as it is.
fn label_answer(sample: &VqaSample) -> String {
    if sample.answers.is_empty() { sample.answer.clone() } else { normalise(&sample.answer) }
}

fn targets(sample: &VqaSample, label_of: &HashMap<&str, usize>) -> Vec<(usize, f32)> {
    let scored = match sample.answers.as_slice() {
        [] => vec![(sample.answer.clone(), 1.0)],
        answers => soft_targets(answers),
    };
    scored.into_iter().filter_map(|(answer, score)| Some((*label_of.get(answer.as_str())?, score))).collect()
}

impl VqaData {
    /// Reads JSON lines (see [`VqaSample`]) and opens the features of their images.
    ///
    /// If no vocabulary is given, it has the questions' words by first appearance. If no labels are
    /// given, they are the frequent answers by first appearance. The target of a label is 0, 0.3,
    /// 0.6, 0.9 or 1 for 0, 1, 2, 3 or more annotators who gave it. Without annotators it is 1 for
    /// the answer. An answer that is no label has no target; labels that no sample has are an
    /// error.
    pub(super) fn read(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<VqaData> {
        let rules = &recipe.vqa;
        let given = files.read_labels()?;
        let Loaded { common, samples, tokens } = ImageTextData::load::<VqaSample>(files, recipe, device)?;
        let found = || {
            let answers: Vec<String> = samples.iter().map(label_answer).collect();
            frequent_answers(&answers, rules.min_answer_count)
        };
        if let (Some(labels), Some(file)) = (&given, &files.labels) {
            let annotated = samples.iter().any(|sample| !sample.answers.is_empty());
            labels::check_empty(labels, file, annotated)?;
        }
        let labels = given.unwrap_or_else(found);
        let label_of: HashMap<&str, usize> = labels.iter().enumerate().map(|(k, label)| (label.as_str(), k)).collect();
        let question = |(tokens, sample): (Vec<i64>, VqaSample)| Question {
            tokens,
            targets: targets(&sample, &label_of),
            annotators: sample.answers,
            answer_type: sample.answer_type,
        };
        let questions: Vec<Question> = tokens.into_iter().zip(samples).map(question).collect();
        if questions.iter().all(|question| question.targets.is_empty()) {
            let (file, expected) = match (&files.labels, files.samples.first()) {
                (Some(labels), _) => (labels.clone(), "the answer of at least one sample".to_owned()),
                (None, samples) => {
                    let least = rules.min_answer_count;
                    let expected = format!("an answer that occurs {least} times (vqa.min_answer_count)");
                    (samples.cloned().unwrap_or_default(), expected)
                }
            };
            return Err(BundleError::invalid(file, "answer", expected, "none").into());
        }
        Ok(VqaData { common, questions, labels, scores: rules.answer_scores })
    }

    /// How answers are scored.
    pub(crate) fn scores(&self) -> AnswerScores {
        self.scores
    }

    pub(crate) fn common(&self) -> &ImageTextData {
        &self.common
    }

    pub(crate) fn common_mut(&mut self) -> &mut ImageTextData {
        &mut self.common
    }

    /// The answers, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The token ids of a question.
    pub fn tokens(&self, sample: usize) -> &[i64] {
        &self.questions[sample].tokens
    }

    /// The labels with a target above 0 for a sample.
    ///
    /// There are none where no answer is a label.
    pub(crate) fn target_labels(&self, sample: usize) -> impl Iterator<Item = usize> {
        self.questions[sample].targets.iter().map(|(label, _)| *label)
    }

    /// The label of the highest target; none where the answer is no label.
    pub fn expected(&self, sample: usize) -> Option<&str> {
        let best = self.questions[sample].targets.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(label, _)| self.labels[*label].as_str())
    }

    /// The annotators' answers to a question as they wrote them.
    ///
    /// [`official_accuracy`](mmnas_bundle::answers::official_accuracy) reads them so. There are
    /// none where only one answer is known.
    pub fn annotators(&self, sample: usize) -> &[String] {
        &self.questions[sample].annotators
    }

    /// The kind of a question's answer: "yes/no", "number" or "other" in VQA-v2.
    pub fn answer_type(&self, sample: usize) -> Option<&str> {
        self.questions[sample].answer_type.as_deref()
    }

    /// Loads the questions `indices`.
    ///
    /// # Errors
    /// Features that cannot be read.
    pub fn batch(&self, indices: &[usize]) -> Result<VqaBatch> {
        let questions: Vec<&Question> = indices.iter().map(|&k| &self.questions[k]).collect();
        let tokens: Vec<&[i64]> = questions.iter().map(|q| q.tokens.as_slice()).collect();
        let (inputs, _) = self.common.inputs(indices, &tokens)?;
        let width = self.labels.len();
        let mut target = vec![0f32; indices.len() * width];
        for (row, question) in questions.iter().enumerate() {
            for &(label, score) in &question.targets {
                target[row * width + label] = score;
            }
        }
        Ok(VqaBatch { inputs, target: self.common.shaped(Tensor::from_slice(&target), &[indices.len(), width]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_data::{features, lines, question, recipe};

    fn load(files: &DataFiles) -> Result<VqaData> {
        VqaData::read(files, &recipe(&["vqa.min_answer_count=2"]), Device::Cpu)
    }

    fn samples() -> Vec<VqaSample> {
        let annotated = |answer: &str, answers: &[&str]| VqaSample {
            answer: answer.into(),
            answers: answers.iter().map(|a| (*a).to_owned()).collect(),
            answer_type: Some("other".into()),
            question_id: Some(7),
            ..question("a", "what is it?")
        };
        vec![
            annotated("The dog", &["a dog", "dog", "Dog.", "the dog", "cat", "cat", "two", "rare", "rare", "x"]),
            annotated("dog", &["dog"; 10]),
            annotated("cat", &["cat"; 3]),
            VqaSample { answer: "cat".into(), ..question("a", "and that?") },
            VqaSample { answer: "Cat".into(), ..question("a", "and this?") },
        ]
    }

    fn targets_of(data: &VqaData) -> Vec<Vec<f32>> {
        let all: Vec<usize> = (0..data.questions.len()).collect();
        Vec::<Vec<f32>>::try_from(data.batch(&all).unwrap().target).unwrap()
    }

    #[test]
    fn targets_are_soft_where_annotators_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        let files = DataFiles::new(lines(&path("s.jsonl"), &samples()), path("f"));
        let data = load(&files).unwrap();
        assert_eq!(data.labels(), ["dog", "cat"]);
        let expected = [[1.0, 0.6], [1.0, 0.0], [0.0, 0.9], [0.0, 1.0], [0.0, 0.0]];
        assert_eq!(targets_of(&data), expected);
        assert_eq!(data.annotators(0)[2], "Dog.");
        assert!(data.annotators(3).is_empty());
        assert_eq!((data.answer_type(0), data.answer_type(3)), (Some("other"), None));
    }

    #[test]
    fn given_labels_keep_their_order_and_must_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        let file = lines(&path("s.jsonl"), &samples());
        let with_labels = |labels: &str| {
            std::fs::write(path("l.json"), labels).unwrap();
            let files = DataFiles { labels: Some(path("l.json")), ..DataFiles::new(&file, path("f")) };
            load(&files).map_err(|e| e.to_string())
        };
        let data = with_labels(r#"["2", "cat", "unseen"]"#).unwrap();
        assert_eq!(data.labels(), ["2", "cat", "unseen"]);
        assert_eq!(targets_of(&data)[0], [0.3, 0.6, 0.0]);
        assert_eq!(with_labels("\u{feff}[\"2\", \"cat\"]").unwrap().labels(), ["2", "cat"]);
        // Annotators' answers are normalised, and of "a" nothing is left.
        assert_eq!(with_labels(r#"["2", "", "cat"]"#).unwrap().labels(), ["2", "", "cat"]);
        for (labels, part) in [
            (r#"["unseen"]"#, "the answer of at least one sample"),
            ("[]", "at least one answer"),
            (r#"["a", "b", "a"]"#, "\"a\" twice"),
            (r#"["a", " "]"#, "[1]: expected an answer"),
            ("{}", "JSON"),
        ] {
            let error = with_labels(labels).err().unwrap();
            assert!(error.contains("l.json") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn answers_that_are_all_rare_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        features(&folder.path().join("f"), 3, "vision", &[("a", 2)]);
        let file = lines(&folder.path().join("s.jsonl"), &[question("a", "what?")]);
        let error = load(&DataFiles::new(file, folder.path().join("f"))).unwrap_err();
        assert!(error.to_string().contains("vqa.min_answer_count"), "{error}");
    }
}
