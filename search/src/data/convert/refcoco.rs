//! RefCOCO, RefCOCO+ and RefCOCOg as lists of `{image_id, tokens, bbox}`.
//!
//! The published tools make them from `refs(unc).p` and `instances.json`.

use std::path::Path;

use mmnas_bundle::samples::PhraseSample;
use mmnas_bundle::{Error as BundleError, Vocabulary};
use serde::Deserialize;

use crate::data::convert::conversion::{Converted, Progress, Writer, image_name, present, read_json};
use crate::error::Result;

/// The files, in the order in which their words enter the published vocabulary.
const FILES: [&str; 5] = ["train.json", "val.json", "testA.json", "testB.json", "test.json"];

#[derive(Deserialize)]
struct Reference {
    image_id: u64,
    tokens: Vec<String>,
    /// x, y, width, height.
    bbox: [f64; 4],
}

fn phrase(file: &Path, number: usize, reference: &Reference) -> Result<PhraseSample> {
    let [x, y, w, h] = reference.bbox;
    if !reference.bbox.iter().all(|v| v.is_finite()) || w < 0.0 || h < 0.0 {
        let field = format!("[{number}].bbox");
        let found = format!("{:?}", reference.bbox);
        return Err(BundleError::invalid(file, field, "x, y, width ≥ 0 and height ≥ 0", found).into());
    }
    if let Some(token) = reference.tokens.iter().find(|token| token.contains(char::is_whitespace)) {
        let field = format!("[{number}].tokens");
        return Err(BundleError::invalid(file, field, "words without spaces", format!("{token:?}")).into());
    }
    let box_xyxy = [x, y, x + w, y + h].map(|v| v as f32);
    Ok(PhraseSample { image: image_name(reference.image_id), phrase: reference.tokens.join(" "), box_xyxy })
}

/// A vocabulary that takes words as they are.
///
/// At most their case is changed, and only if all of `words` are in lower case.
fn of_plain_words(words: &[String]) -> Result<Vocabulary> {
    let file = Path::new("tokenizer.json");
    let json = |e: serde_json::Error| BundleError::json(file, &e);
    let mut settings: serde_json::Value = serde_json::from_str(&Vocabulary::new().to_tokenizer_json()).map_err(json)?;
    let lower = words.iter().all(|word| *word == word.to_lowercase());
    settings["normalizer"] = if lower { serde_json::json!({"type": "Lowercase"}) } else { serde_json::Value::Null };
    Ok(Vocabulary::from_tokenizer_json(&settings.to_string(), file)?)
}

/// The vocabulary of `words`, which the published code takes as they are.
///
/// If the usual text rule would change one of them ("man's"), the rule splits at spaces alone. The
/// phrases so get their published ids.
fn vocabulary(words: &[String]) -> Result<Vocabulary> {
    let mut vocabulary = Vocabulary::new();
    for word in words {
        if vocabulary.split(word)? != [word.as_str()] {
            vocabulary = of_plain_words(words)?;
            break;
        }
    }
    words.iter().for_each(|word| vocabulary.add_word(word.clone()));
    Ok(vocabulary)
}

/// Converts the files of phrases in `data` and writes their `tokenizer.json`.
///
/// The files are `train.json`, `val.json`, `testA.json`, `testB.json` and `test.json`, as far as
/// they are there. Each gives a file of JSON lines (see [`PhraseSample`]) in the new folder `out`.
/// An image is named by its id.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if none of the files is there, one cannot be
/// read, does not parse or is empty. The same for a box or a token that is not as published, and if
/// `out` cannot be written.
pub fn convert(data: &Path, out: &Path, progress: Progress<'_>) -> Result<Converted> {
    let files = present(data, &FILES)?;
    let mut writer = Writer::create(out)?;
    let mut words: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for (done, (name, file)) in files.iter().enumerate() {
        progress(done, files.len());
        let references: Vec<Reference> = read_json(file)?;
        if references.is_empty() {
            return Err(BundleError::invalid(file, "(list)", "at least one phrase", "none").into());
        }
        let phrase = |(number, reference)| phrase(file, number, reference);
        let samples = references.iter().enumerate().map(phrase).collect::<Result<Vec<_>>>()?;
        writer.samples(&format!("{name}l"), &samples)?;
        for token in references.into_iter().flat_map(|reference| reference.tokens) {
            if !token.is_empty() && known.insert(token.clone()) {
                words.push(token);
            }
        }
    }
    writer.vocabulary(&vocabulary(&words)?)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::read_json_lines;
    use mmnas_bundle::{TextEncoder, UNK};

    use super::*;

    fn run(files: &[(&str, &str)]) -> (tempfile::TempDir, std::result::Result<Converted, String>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let converted = convert(folder.path(), &folder.path().join("out"), &mut |_, _| {}).map_err(|e| e.to_string());
        (folder, converted)
    }

    fn encode(folder: &tempfile::TempDir, text: &str) -> Vec<i64> {
        let file = folder.path().join("out/tokenizer.json");
        TextEncoder::from_json(&std::fs::read_to_string(&file).unwrap(), &file).unwrap().encode(text, 14).unwrap()
    }

    const TRAIN: &str =
        r#"[{"image_id": 581857, "tokens": ["the", "left", "man"], "bbox": [10.5, 20, 30, 40.25], "x": 1}]"#;

    #[test]
    fn references_become_phrases_with_corners() {
        let val = r#"[{"image_id": 7, "tokens": ["woman", "left"], "bbox": [0, 0, 1, 1]}]"#;
        let (folder, converted) = run(&[("test.json", val), ("train.json", TRAIN)]);
        let converted = converted.unwrap();
        assert_eq!(converted.samples, [("train.jsonl".to_owned(), 1), ("test.jsonl".to_owned(), 1)]);
        let train: Vec<PhraseSample> = read_json_lines(&folder.path().join("out/train.jsonl")).unwrap();
        let expected =
            PhraseSample { image: "581857".into(), phrase: "the left man".into(), box_xyxy: [10.5, 20.0, 40.5, 60.25] };
        assert_eq!(train, [expected]);
        // The usual rule, which a user's phrase needs.
        assert_eq!(encode(&folder, "The left woman?"), [3, 4, 6]);
    }

    #[test]
    fn words_that_the_text_rule_would_change_keep_their_ids() {
        let val = r#"[{"image_id": 7, "tokens": ["man's", "t-shirt", "left", "mans"], "bbox": [0, 0, 1, 1]}]"#;
        let (folder, converted) = run(&[("train.json", TRAIN), ("val.json", val)]);
        assert_eq!(converted.unwrap().words, 9);
        assert_eq!(encode(&folder, "The man's t-shirt mans t"), [3, 6, 7, 8, UNK]);
    }

    #[test]
    fn a_broken_reference_is_named() {
        for (text, part) in [
            (TRAIN.replace("30,", "-30,"), "[0].bbox"),
            (TRAIN.replace("left", "far left"), "[0].tokens"),
            (TRAIN.replace("40.25]", "40.25, 1]"), "train.json"),
            ("[]".to_owned(), "at least one phrase"),
        ] {
            let (folder, converted) = run(&[("train.json", &text)]);
            let error = converted.unwrap_err();
            assert!(error.contains(part) && error.contains("train.json"), "{error}");
            assert!(!folder.path().join("out").exists());
        }
        assert!(run(&[]).1.unwrap_err().contains("train.json, val.json"));
    }
}
