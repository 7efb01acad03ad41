//! Answers to questions whose answers are kept back.

use mmnas_bundle::samples::{QuestionSample, repeated_question};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::evaluate::images::ImageSource;
use crate::evaluate::timed_by_image;
use crate::model::Model;

/// An answer to a question whose answer is kept back.
///
/// It has the form that the server of VQA-v2 takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// The data set's number of the question.
    pub question_id: u64,
    /// The best answer.
    pub answer: String,
}

/// Answers the questions of `samples`, in their order, encoding each image once.
///
/// `progress` is called with the number of questions asked after every image.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::answers::evaluate); two questions with the same number.
pub fn predict<'a>(
    model: &Model,
    samples: &[QuestionSample],
    images: impl Into<ImageSource<'a>>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Prediction>> {
    model.check_answering(1)?;
    if let Some((first, second)) = repeated_question(samples) {
        let found = format!("{}, as that of sample {}", samples[second].question_id, first + 1);
        let repeated = Error::argument("question_id", "a number that no other question has", found);
        return Err(Error::of_sample(second, &samples[second].image)(repeated));
    }
    let mut found: Vec<(usize, Prediction)> = Vec::with_capacity(samples.len());
    timed_by_image(model, samples, images.into(), progress, |place, (_, image), sample| {
        let best = model.answer(image, &sample.question, 1)?.into_iter().next();
        let answer = best.map_or_else(String::new, |best| best.label);
        found.push((place, Prediction { question_id: sample.question_id, answer }));
        Ok(())
    })?;
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, prediction)| prediction).collect())
}
