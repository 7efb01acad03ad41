//! VQA-v2 and the questions of Visual Genome in its form.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mmnas_bundle::answers::normalise;
use mmnas_bundle::samples::{QuestionSample, VqaSample};
use mmnas_bundle::{Error as BundleError, Vocabulary};
use serde::Deserialize;

use crate::data::answers::frequent_answers;
use crate::data::convert::conversion::{Converted, Progress, Writer, image_name, present, read_json};
use crate::error::Result;

/// Least number of occurrences of a label: an answer occurs more than 8 times (published).
const MIN_ANSWER_COUNT: usize = 9;

/// A published file of questions.
struct Part {
    questions: &'static str,
    /// File of annotations; none for a test set.
    annotations: Option<&'static str>,
    /// Whether its answers count for the labels.
    labels: bool,
    out: &'static str,
}

/// The files, in the order in which their questions give words to the published vocabulary.
const PARTS: [Part; 5] = [
    Part {
        questions: "v2_OpenEnded_mscoco_train2014_questions.json",
        annotations: Some("v2_mscoco_train2014_annotations.json"),
        labels: true,
        out: "train.jsonl",
    },
    Part {
        questions: "v2_OpenEnded_mscoco_val2014_questions.json",
        annotations: Some("v2_mscoco_val2014_annotations.json"),
        labels: true,
        out: "val.jsonl",
    },
    Part {
        questions: "v2_OpenEnded_mscoco_test2015_questions.json",
        annotations: None,
        labels: false,
        out: "test.jsonl",
    },
    Part {
        questions: "v2_OpenEnded_mscoco_test-dev2015_questions.json",
        annotations: None,
        labels: false,
        out: "test-dev.jsonl",
    },
    Part { questions: "VG_questions.json", annotations: Some("VG_annotations.json"), labels: false, out: "vg.jsonl" },
];

#[derive(Deserialize)]
struct Questions {
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    question_id: u64,
    image_id: u64,
    question: String,
}

#[derive(Deserialize)]
struct Annotations {
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    question_id: u64,
    answer_type: Option<String>,
    multiple_choice_answer: Option<String>,
    answers: Vec<Annotator>,
}

#[derive(Deserialize)]
struct Annotator {
    answer: String,
}

/// Joins the questions of `file` with the annotations of `annotations_file`.
///
/// The samples are in the order of the annotations. Each question must have one.
fn join(
    (file, questions): (&Path, Vec<Question>),
    (annotations_file, annotations): (&Path, Vec<Annotation>),
) -> Result<Vec<VqaSample>> {
    let mut open: HashMap<u64, Question> = HashMap::with_capacity(questions.len());
    for (number, question) in questions.into_iter().enumerate() {
        let id = question.question_id;
        if open.insert(id, question).is_some() {
            let field = format!("questions[{number}].question_id");
            return Err(BundleError::invalid(file, field, "every question once", format!("{id} twice")).into());
        }
    }
    let mut samples = Vec::with_capacity(annotations.len());
    for (number, annotation) in annotations.into_iter().enumerate() {
        let field = |name: &str| format!("annotations[{number}].{name}");
        let id = annotation.question_id;
        let other = || {
            let expected = format!("a question of {} that no other annotation is of", file.display());
            BundleError::invalid(annotations_file, field("question_id"), expected, id)
        };
        let question = open.remove(&id).ok_or_else(other)?;
        let answers: Vec<String> = annotation.answers.into_iter().map(|annotator| annotator.answer).collect();
        let none = || BundleError::invalid(annotations_file, field("multiple_choice_answer"), "an answer", "none");
        let answer = annotation.multiple_choice_answer.or_else(|| answers.first().cloned()).ok_or_else(none)?;
        samples.push(VqaSample {
            image: image_name(question.image_id),
            question: question.question,
            answer,
            answers,
            answer_type: annotation.answer_type,
            question_id: Some(id),
        });
    }
    if let Some(left) = open.keys().min() {
        let field = format!("annotations ({})", samples.len());
        let expected = format!("one annotation a question of {}", file.display());
        let found = format!("{} questions without one, the first is {left}", open.len());
        return Err(BundleError::invalid(annotations_file, field, expected, found).into());
    }
    Ok(samples)
}

/// Converts the published files that lie in `data`.
///
/// It writes these files to the new folder `out`:
///
/// - `train.jsonl`, `val.jsonl`, `vg.jsonl` (see [`VqaSample`]);
/// - `test.jsonl`, `test-dev.jsonl` (see [`QuestionSample`]);
/// - `tokenizer.json` with the words of all their questions;
/// - `labels.json`: the normalised answers of train and val that occur more than 8 times.
///
/// An image is named by its id.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if none of the files is there, or one cannot be
/// read, does not parse or cannot be written. The same for questions and annotations that do not
/// belong together, and if no answer is frequent enough for a label.
pub fn convert(data: &Path, out: &Path, progress: Progress<'_>) -> Result<Converted> {
    let names = PARTS.map(|part| part.questions);
    let there: HashSet<&str> = present(data, &names)?.into_iter().map(|(name, _)| name).collect();
    let parts: Vec<&Part> = PARTS.iter().filter(|part| there.contains(part.questions)).collect();
    let mut writer = Writer::create(out)?;
    let mut vocabulary = Vocabulary::new();
    let mut answers: Vec<String> = Vec::new();
    for (done, part) in parts.iter().enumerate() {
        progress(done, parts.len());
        let file = data.join(part.questions);
        let Questions { questions } = read_json(&file)?;
        if questions.is_empty() {
            return Err(BundleError::invalid(&file, "questions", "at least one", "none").into());
        }
        for question in &questions {
            vocabulary.add_text(&question.question)?;
        }
        let Some(annotations) = part.annotations else {
            let sample = |q: Question| QuestionSample {
                image: image_name(q.image_id),
                question: q.question,
                question_id: q.question_id,
            };
            writer.samples(part.out, &questions.into_iter().map(sample).collect::<Vec<_>>())?;
            continue;
        };
        let annotations_file = data.join(annotations);
        let Annotations { annotations } = read_json(&annotations_file)?;
        let samples = join((&file, questions), (&annotations_file, annotations))?;
        if part.labels {
            answers.extend(samples.iter().map(|sample| normalise(&sample.answer)));
        }
        writer.samples(part.out, &samples)?;
    }
    if !answers.is_empty() {
        let labels = frequent_answers(&answers, MIN_ANSWER_COUNT);
        if labels.is_empty() {
            let expected = format!("an answer that occurs {MIN_ANSWER_COUNT} times");
            return Err(BundleError::invalid(data, "multiple_choice_answer", expected, "none").into());
        }
        writer.labels(&labels)?;
    }
    writer.vocabulary(&vocabulary)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::read_json_lines;
    use serde_json::{Value, json};

    use super::*;

    fn questions(first: u64, texts: &[&str]) -> Value {
        let question = |(k, text): (usize, &&str)| json!({"question_id": first + k as u64, "image_id": 9 + k as u64, "question": text, "extra": 1});
        json!({"info": {}, "questions": texts.iter().enumerate().map(question).collect::<Vec<_>>()})
    }

    fn annotations(first: u64, answers: &[&str]) -> Value {
        let annotation = |(k, answer): (usize, &&str)| {
            let given: Vec<Value> = (1..=10).map(|n| json!({"answer": answer, "answer_id": n})).collect();
            json!({"question_id": first + k as u64, "image_id": 9 + k as u64, "question_type": "what",
                "answer_type": "other", "multiple_choice_answer": answer, "answers": given})
        };
        json!({"annotations": answers.iter().enumerate().map(annotation).collect::<Vec<_>>()})
    }

    fn put(folder: &Path, name: &str, value: &Value) {
        std::fs::write(folder.join(name), value.to_string()).unwrap();
    }

    /// Writes two parts, train and val.
    ///
    /// Train: nine times "two", in two spellings, and once "cat". Val: eight times "dog" and once
    /// "the dog".
    fn write(folder: &Path) {
        let texts = ["How many?", "what - is/it"].repeat(5);
        put(folder, PARTS[0].questions, &questions(100, &texts));
        let answers = ["cat", "two", "2", "2", "2", "2", "2", "2", "2", "Two"];
        put(folder, PARTS[0].annotations.unwrap(), &annotations(100, &answers));
        put(folder, PARTS[1].questions, &questions(200, &["is it new"; 9]));
        let answers = ["dog", "dog", "dog", "dog", "the dog", "dog", "dog", "dog", "dog"];
        put(folder, PARTS[1].annotations.unwrap(), &annotations(200, &answers));
        put(folder, PARTS[2].questions, &questions(300, &["test word", "is it"]));
        put(folder, PARTS[4].questions, &questions(400, &["genome word"]));
        put(folder, PARTS[4].annotations.unwrap(), &annotations(400, &["tree"]));
    }

    fn convert_to(data: &Path, out: &Path) -> std::result::Result<Converted, String> {
        convert(data, out, &mut |_, _| {}).map_err(|e| e.to_string())
    }

    #[test]
    fn the_published_files_become_json_lines() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let out = folder.path().join("out");
        let converted = convert_to(folder.path(), &out).unwrap();
        let counts: Vec<(&str, usize)> = converted.samples.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(counts, [("train.jsonl", 10), ("val.jsonl", 9), ("test.jsonl", 2), ("vg.jsonl", 1)]);
        let train: Vec<VqaSample> = read_json_lines(&out.join("train.jsonl")).unwrap();
        assert_eq!((train[9].image.as_str(), train[9].question_id, train[9].answers.len()), ("18", Some(109), 10));
        assert_eq!((train[9].question.as_str(), train[9].answer.as_str()), ("what - is/it", "Two"));
        assert_eq!(train[9].answer_type.as_deref(), Some("other"));
        let test: Vec<QuestionSample> = read_json_lines(&out.join("test.jsonl")).unwrap();
        assert_eq!(test[1], QuestionSample { image: "10".into(), question: "is it".into(), question_id: 301 });
        let labels: Vec<String> = read_json(&out.join("labels.json")).unwrap();
        assert_eq!((labels.as_slice(), converted.labels), (["2".to_owned(), "dog".to_owned()].as_slice(), Some(2)));
        let tokenizer = std::fs::read_to_string(out.join("tokenizer.json")).unwrap();
        let vocabulary = Vocabulary::from_tokenizer_json(&tokenizer, Path::new("t")).unwrap();
        let words = ["how", "many", "what", "is", "it", "new", "test", "word", "genome"];
        assert_eq!(vocabulary.words()[3..], words);
        assert_eq!(converted.words, 12);
    }

    #[test]
    fn questions_and_annotations_must_belong_together() {
        let check = |damage: &dyn Fn(&Path), parts: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path());
            damage(folder.path());
            let error = convert_to(folder.path(), &folder.path().join("out")).unwrap_err();
            parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
            assert!(!folder.path().join("out").exists());
        };
        let val = PARTS[1].annotations.unwrap();
        check(&|d| put(d, val, &annotations(200, &["dog"; 8])), &[val, "1 questions without one, the first is 208"]);
        check(&|d| put(d, val, &annotations(200, &["dog"; 10])), &[val, "annotations[9].question_id", "found 209"]);
        check(&|d| std::fs::remove_file(d.join(val)).unwrap(), &[val, "cannot read"]);
        check(&|d| put(d, PARTS[0].questions, &json!({"questions": [{"question_id": 1}]})), &[PARTS[0].questions]);
        let twice = json!({"questions": [{"question_id": 1, "image_id": 1, "question": "a"},
            {"question_id": 1, "image_id": 2, "question": "b"}]});
        check(&|d| put(d, PARTS[1].questions, &twice), &["questions[1].question_id", "1 twice"]);
        let empty = tempfile::tempdir().unwrap();
        let error = convert_to(empty.path(), &empty.path().join("out")).unwrap_err();
        assert!(error.contains("VG_questions.json"), "{error}");
    }
}
