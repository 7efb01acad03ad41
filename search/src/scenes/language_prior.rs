//! Baseline that answers questions without looking at the image.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::scenes::text::question::{Answer, Question};
use crate::scenes::text::questions::AskedQuestion;

/// Least number of training questions whose answers are counted.
///
/// A question of the same words as that many is answered as they were. Others are answered by their
/// form.
const ASKED_OFTEN: usize = 8;

/// Largest number of training questions that are learned.
///
/// After these the share no longer changes, and memory stays bounded.
const LEARNED: usize = 200_000;

type Counts = HashMap<Answer, usize>;

/// Answers every question with the most frequent training answer.
///
/// It counts questions of the same words or, if these are rare, of the same form. It reads training
/// questions first, then test questions, and keeps counts only.
#[derive(Debug, Default)]
pub struct LanguagePrior {
    texts: HashMap<String, Counts>,
    forms: HashMap<Question, Counts>,
    all: Counts,
    learned: usize,
    asked: usize,
    right: usize,
}

/// The most frequent answer.
///
/// Of equally frequent ones it is the first in order, so that it is always the same.
fn most_frequent(counts: &Counts) -> Option<Answer> {
    counts.iter().map(|(answer, count)| (*count, Reverse(*answer))).max().map(|(_, answer)| answer.0)
}

impl LanguagePrior {
    /// Learns a training question, one of the first 200,000.
    pub fn learn(&mut self, question: &AskedQuestion) {
        if self.learned == LEARNED {
            return;
        }
        self.learned += 1;
        let texts = self.texts.entry(question.text.clone()).or_default();
        let forms = self.forms.entry(question.question.form()).or_default();
        for counts in [texts, forms, &mut self.all] {
            *counts.entry(question.answer).or_default() += 1;
        }
    }

    /// The predicted answer.
    pub fn guess(&self, question: &AskedQuestion) -> Option<Answer> {
        let often = |counts: &&Counts| counts.values().sum::<usize>() >= ASKED_OFTEN;
        let counts = self.texts.get(&question.text).filter(often);
        let counts = counts.or_else(|| self.forms.get(&question.question.form()).filter(often));
        most_frequent(counts.unwrap_or(&self.all))
    }

    /// Guesses the answer of a test question.
    pub fn test(&mut self, question: &AskedQuestion) {
        self.asked += 1;
        self.right += usize::from(self.guess(question) == Some(question.answer));
    }

    /// The share of the test questions that was guessed right, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }
}
