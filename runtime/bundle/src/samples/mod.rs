//! Data sets as JSON lines, one sample a line.
//!
//! Image names are relative to an images folder.

mod by_image;
mod flaw;
pub(crate) mod image_name;
mod lines;

pub use by_image::ByImage;
pub use flaw::{Flaw, Sample};
pub use image_name::image_name;
pub use lines::{Reading, SampleFile, for_each_json_line, read_json_lines, to_json_lines};

pub use crate::files::text_file::BYTE_ORDER_MARK;

use serde::{Deserialize, Serialize};

use crate::boxes::BoxXyxy;
use crate::error::Error;

/// A question about an image, with its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VqaSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The question as asked.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// The annotators' answers as they gave them, ten in VQA-v2.
    ///
    /// Empty where only `answer` is known.
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

    /// Counts all that was left out of another file too.
    pub fn add_all(&mut self, other: Broken) {
        self.count += other.count;
        self.first.extend(other.first.into_iter().take(Broken::NAMED.saturating_sub(self.first.len())));
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

/// The places of the first two questions with the same number.
///
/// A file of answers with a number twice is refused.
pub fn repeated_question(questions: &[QuestionSample]) -> Option<(usize, usize)> {
    let mut known = std::collections::HashMap::new();
    let numbers = questions.iter().map(|question| question.question_id).enumerate();
    numbers.into_iter().find_map(|(place, number)| known.insert(number, place).map(|first| (first, place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_two_questions_have_is_found() {
        let questions = |numbers: &[u64]| -> Vec<QuestionSample> {
            let question = |&question_id| QuestionSample { image: "a".into(), question: "what?".into(), question_id };
            numbers.iter().map(question).collect()
        };
        assert_eq!(repeated_question(&questions(&[7, 4, 9])), None);
        assert_eq!(repeated_question(&questions(&[7, 4, 9, 4, 4])), Some((1, 3)));
    }
}
