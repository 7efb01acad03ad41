//! Data sets as JSON lines: one sample a line, image names relative to an images folder.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::boxes::BoxXyxy;
use crate::error::json_reason;
use crate::files::open;
use crate::{Error, Result};

/// A question about an image, with its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VqaSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The question as asked.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// The annotators' answers as they gave them, ten in VQA-v2; empty where only `answer` is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// The kind of the answer: "yes/no", "number" or "other" in VQA-v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_type: Option<String>,
    /// The data set's number of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_id: Option<u64>,
}

/// A question about an image whose answer is not known: a test set of VQA-v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The question as asked.
    pub question: String,
    /// The data set's number of the question, which a result names it by.
    pub question_id: u64,
}

/// An image with the captions that describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// Its captions, five in Flickr30K and COCO.
    pub captions: Vec<String>,
}

/// A phrase that names something in an image, with its box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhraseSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The phrase.
    pub phrase: String,
    /// The box that it means, `[x1, y1, x2, y2]` in pixels of the image.
    pub box_xyxy: BoxXyxy,
}

/// What some editors begin a file of UTF-8 with; it is no part of the text.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A line above this length is an error, not an allocation.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// What was left out of a data set because it is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broken {
    /// How much was left out.
    pub count: usize,
    /// The errors of the first of it, at most [`Broken::NAMED`].
    pub first: Vec<String>,
}

impl Broken {
    /// Most errors that are kept.
    pub const NAMED: usize = 5;

    /// Counts one more.
    pub fn add(&mut self, error: &Error) {
        self.count += 1;
        if self.first.len() < Broken::NAMED {
            self.first.push(error.to_string());
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} broken samples left out: {}", self.count, self.first.join("; "))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Reads a file of JSON lines and gives every line that is not blank to `each`: its number, from 1, and what it holds or
/// why it cannot be read. Reading ends at the first error that `each` returns, so `each` decides whether a broken line is
/// one. A file without any line is an error.
pub fn for_each_json_line<T: DeserializeOwned>(
    file: &Path,
    mut each: impl FnMut(usize, Result<T>) -> Result<()>,
) -> Result<()> {
    let mut reader = BufReader::new(open(file)?.0);
    let (mut line, mut number, mut found) = (Vec::new(), 0usize, false);
    loop {
        line.clear();
        number += 1;
        let read =
            reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line).map_err(Error::io(file, "read"))?;
        if read == 0 {
            break;
        }
        // A mark that some editors put before the first line.
        if number == 1 && line.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        let field = || format!("line {number}");
        if read as u64 > MAX_LINE_BYTES {
            if line.last() != Some(&b'\n') {
                reader.skip_until(b'\n').map_err(Error::io(file, "read"))?;
            }
            each(
                number,
                Err(Error::invalid(file, field(), format!("at most {MAX_LINE_BYTES} bytes"), "a longer line")),
            )?;
        } else if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        } else {
            let sample = serde_json::from_slice(&line).map_err(|e| {
                let place = format!("line {number}, column {}", e.column());
                Error::invalid(file, place, "a JSON object of the right form", json_reason(&e))
            });
            each(number, sample)?;
        }
        found = true;
    }
    if !found {
        return Err(Error::invalid(file, "(lines)", "at least one sample", "none"));
    }
    Ok(())
}

/// Reads a file of JSON lines. An error names the line; a file without any line is an error too.
pub fn read_json_lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let mut samples = Vec::new();
    for_each_json_line(file, |_, sample| {
        samples.push(sample?);
        Ok(())
    })?;
    Ok(samples)
}

/// The content of a file of JSON lines.
pub fn to_json_lines<T: Serialize>(samples: &[T]) -> serde_json::Result<String> {
    samples.iter().map(|sample| serde_json::to_string(sample).map(|line| line + "\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good =
            VqaSample { image: "a.png".into(), question: "what?".into(), answer: "dog".into(), ..VqaSample::default() };
        let mut text = to_json_lines(&[good.clone(), good.clone()]).unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(read_json_lines::<VqaSample>(file.path()).unwrap(), [good.clone(), good]);
        std::fs::write(file.path(), format!("{BYTE_ORDER_MARK}{text}")).unwrap();
        assert_eq!(read_json_lines::<VqaSample>(file.path()).unwrap().len(), 2);
        text.push_str("\n{\"image\": 3}\n");
        std::fs::write(file.path(), &text).unwrap();
        let error = read_json_lines::<VqaSample>(file.path()).unwrap_err().to_string();
        // The place once.
        assert!(error.contains("line 4, column 11: expected") && error.matches("line").count() == 1, "{error}");
    }

    #[test]
    fn broken_lines_can_be_left_out_and_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = |image: &str| format!("{{\"image\": \"{image}\", \"captions\": [\"a dog\"], \"width\": 3}}\n");
        let long = format!("\"{}\"\n", "x".repeat(3 << 20));
        let bad = "{\"image\": 3}\n".repeat(6);
        std::fs::write(file.path(), format!("{}{long}\n{bad}{}", good("a"), good("b"))).unwrap();
        let (mut images, mut broken) = (Vec::new(), Broken::default());
        for_each_json_line(file.path(), |number, line: Result<CaptionSample>| {
            match line {
                Ok(sample) => images.push((number, sample.image)),
                Err(error) => broken.add(&error),
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(images, [(1, "a".to_owned()), (10, "b".to_owned())]);
        assert_eq!((broken.count, broken.first.len()), (7, Broken::NAMED));
        assert!(broken.first[0].contains("line 2") && broken.first[0].contains("a longer line"), "{broken}");
        assert!(broken.first[1].contains("line 4"), "{broken}");
        let text = broken.to_string();
        assert!(text.starts_with("7 broken samples left out: ") && text.ends_with("; and 2 more"), "{text}");
    }

    #[test]
    fn what_a_sample_does_not_have_is_not_written() {
        let sample = VqaSample { image: "9".into(), question: "what?".into(), ..VqaSample::default() };
        assert_eq!(to_json_lines(&[sample]).unwrap(), "{\"image\":\"9\",\"question\":\"what?\",\"answer\":\"\"}\n");
    }
}
