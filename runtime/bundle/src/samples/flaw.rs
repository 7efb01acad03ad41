//! What samples must be.

use serde::de::DeserializeOwned;

use crate::boxes::{self, BoxXyxy};
use crate::error::Error;
use crate::samples::{CaptionSample, PhraseSample, QuestionSample, VqaSample};

/// What is wrong with a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which part of it.
    pub field: &'static str,
    /// What the part must be.
    pub expected: &'static str,
    /// What it is.
    pub found: String,
}

impl Flaw {
    /// Of a text without any word.
    pub fn no_word(text: &str) -> Flaw {
        let text: String = text.chars().take(80).collect();
        Flaw { field: "text", expected: "at least one word", found: format!("{text:?}") }
    }

    /// As an error of line `number`, from 1, of `file`.
    pub fn of_line(self, file: impl AsRef<std::path::Path>, number: usize) -> Error {
        Error::invalid(file, format!("line {number}: {}", self.field), self.expected, self.found)
    }
}

/// One line of a file of samples.
pub trait Sample: DeserializeOwned {
    /// The image that it belongs to.
    fn image(&self) -> &str;

    /// The same, to be written in another way.
    fn image_mut(&mut self) -> &mut String;

    /// Its texts, in a fixed order; each must have a word.
    fn texts(&self) -> Vec<&str>;

    /// What is wrong with it by itself: at the least it names an image.
    fn flaw(&self) -> Option<Flaw> {
        nameless(self.image())
    }

    /// What is wrong with it in an image of this width and height in pixels.
    ///
    /// A side of 0 is not known.
    fn flaw_in(&self, _size: (u32, u32)) -> Option<Flaw> {
        None
    }
}

/// A sample without an image's name.
fn nameless(image: &str) -> Option<Flaw> {
    image.trim().is_empty().then(|| Flaw {
        field: "image",
        expected: "the name of an image",
        found: format!("{image:?}"),
    })
}

impl Sample for VqaSample {
    fn image(&self) -> &str {
        &self.image
    }

    fn image_mut(&mut self) -> &mut String {
        &mut self.image
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.question]
    }

    fn flaw(&self) -> Option<Flaw> {
        let is_blank = |answer: &String| answer.trim().is_empty();
        let none = || Flaw { field: "answer", expected: "an answer", found: format!("{:?}", self.answer) };
        nameless(&self.image).or_else(|| (is_blank(&self.answer) && self.answers.iter().all(is_blank)).then(none))
    }
}

impl Sample for QuestionSample {
    fn image(&self) -> &str {
        &self.image
    }

    fn image_mut(&mut self) -> &mut String {
        &mut self.image
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.question]
    }
}

impl Sample for CaptionSample {
    fn image(&self) -> &str {
        &self.image
    }

    fn image_mut(&mut self) -> &mut String {
        &mut self.image
    }

    fn texts(&self) -> Vec<&str> {
        self.captions.iter().map(String::as_str).collect()
    }

    fn flaw(&self) -> Option<Flaw> {
        let none = || Flaw { field: "captions", expected: "at least one caption", found: "none".to_owned() };
        nameless(&self.image).or_else(|| self.captions.is_empty().then(none))
    }
}

impl Sample for PhraseSample {
    fn image(&self) -> &str {
        &self.image
    }

    fn image_mut(&mut self) -> &mut String {
        &mut self.image
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.phrase]
    }

    fn flaw(&self) -> Option<Flaw> {
        let of_box = |expected: &'static str, found: String| Some(Flaw { field: "box_xyxy", expected, found });
        let found = || format!("{:?}", self.box_xyxy);
        if let Some(flaw) = nameless(&self.image) {
            return Some(flaw);
        }
        if !boxes::is_box(&self.box_xyxy) {
            return of_box(boxes::BOX_EXPECTED, found());
        }
        if is_normalised(&self.box_xyxy) {
            return of_box("corners in pixels of the image", format!("{}, shares of its sides", found()));
        }
        None
    }

    fn flaw_in(&self, (width, height): (u32, u32)) -> Option<Flaw> {
        let [x1, y1, x2, y2] = self.box_xyxy;
        // No region can mean a box that is nowhere in the image; published boxes stick out a little.
        let is_outside = x2 < 0.0 || y2 < 0.0 || x1 >= width as f32 || y1 >= height as f32;
        let found = || format!("{:?} in {}, which is {width} × {height}", self.box_xyxy, self.image);
        (width > 0 && height > 0 && is_outside).then(|| Flaw {
            field: "box_xyxy",
            expected: "a box that is at least partly in its image",
            found: found(),
        })
    }
}

/// Whether the corners are parts of the image's sides and no pixels.
///
/// They are if they lie from 0 to 1, and not all of them are whole. In pixels such a box would be smaller than one.
fn is_normalised(corners: &BoxXyxy) -> bool {
    corners.iter().all(|v| (0.0..=1.0).contains(v)) && corners.iter().any(|v| v.fract() != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(box_xyxy: BoxXyxy) -> PhraseSample {
        PhraseSample { image: "a.png".into(), phrase: "a dog".into(), box_xyxy }
    }

    #[test]
    fn boxes_that_no_region_can_mean_are_flaws() {
        for (corners, found) in [
            ([9.0, 0.0, 3.0, 8.0], "x2 ≥ x1"),
            ([0.0, f32::NAN, 3.0, 8.0], "finite"),
            ([0.0, 0.0, 3.0, f32::INFINITY], "finite"),
            ([0.1, 0.2, 0.5, 0.9], "in pixels"),
            ([0.0, 0.0, 0.5, 1.0], "in pixels"),
        ] {
            let flaw = phrase(corners).flaw().unwrap();
            assert!(flaw.field == "box_xyxy" && flaw.expected.contains(found), "{corners:?}: {flaw:?}");
        }
        // A pixel, two by two pixels, and boxes that stick out.
        for corners in [[0.0; 4], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.5, 1.5], [-3.0, 0.5, 0.5, 0.5], [5.0; 4]] {
            assert_eq!(phrase(corners).flaw(), None, "{corners:?}");
        }
        let outside = phrase([100.0, 0.0, 120.0, 9.0]);
        assert!(outside.flaw_in((100, 50)).unwrap().found.contains("100 × 50"));
        // Sizes that are not known say nothing.
        for size in [(101, 50), (0, 0), (0, 50), (100, 0)] {
            assert_eq!(outside.flaw_in(size), None, "{size:?}");
        }
    }

    #[test]
    fn empty_parts_are_flaws() {
        let question = |image: &str, answer: &str, answers: &[&str]| VqaSample {
            image: image.into(),
            question: "what?".into(),
            answer: answer.into(),
            answers: answers.iter().map(|a| (*a).to_owned()).collect(),
            ..VqaSample::default()
        };
        let field = |flaw: Option<Flaw>| flaw.map(|flaw| flaw.field);
        assert_eq!(field(question("a", "yes", &[]).flaw()), None);
        assert_eq!(field(question(" ", "yes", &[]).flaw()), Some("image"));
        assert_eq!(field(question("a", " \t", &[]).flaw()), Some("answer"));
        assert_eq!(field(question("a", "", &["", " "]).flaw()), Some("answer"));
        // Annotators' answers say more than one that was left out.
        assert_eq!(field(question("a", "", &["a", "yes"]).flaw()), None);
        let captions = |captions: &[&str]| CaptionSample {
            image: "a".into(),
            captions: captions.iter().map(|c| (*c).to_owned()).collect(),
        };
        assert_eq!(field(captions(&["a dog"]).flaw()), None);
        assert_eq!(field(captions(&[]).flaw()), Some("captions"));
        let asked = QuestionSample { image: String::new(), question: "what?".into(), question_id: 1 };
        assert_eq!(field(asked.flaw()), Some("image"));
    }
}
