//! Asking a question, and the answers.

use std::ffi::c_char;
use std::ptr;

use runtime::Answer;

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::pairs::Pairs;
use crate::status::mmnas_status;
use crate::strings::Text;
use crate::text::mmnas_text;
use crate::{boundary, strings};

/// Answers to a question, the most probable first.
pub struct mmnas_answers {
    answers: Vec<Entry>,
}

struct Entry {
    label: Text,
    probability: f32,
    logit: f32,
    place: usize,
}

impl From<Vec<Answer>> for mmnas_answers {
    fn from(answers: Vec<Answer>) -> Self {
        let entry = |answer: Answer| Entry {
            label: Text::new(&answer.label),
            probability: answer.probability,
            logit: answer.logit,
            place: answer.index,
        };
        Self { answers: answers.into_iter().map(entry).collect() }
    }
}

/// Answers a question about an image (visual question answering).
///
/// @param model         a model for VQA
/// @param image         an image of this model
/// @param question      the question, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
/// @param question_len  the number of bytes of the question
/// @param top_k         how many answers are wanted, at least 1; where there are fewer, all are given
/// @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an image of another model), MMNAS_STATUS_EMPTY_TEXT,
///         MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model and image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_vqa_answer(
    model: *const mmnas_model,
    image: *const mmnas_image,
    question: *const c_char,
    question_len: usize,
    top_k: usize,
    answers_out: *mut *mut mmnas_answers,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        let image = boundary::handle("image", image)?;
        // SAFETY: the caller lends `question_len` bytes for the time of the call.
        let question = unsafe { strings::text("question", question, question_len) }?;
        Ok(model.model.answer(&image.image, question, top_k)?.into())
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("answers_out", answers_out, error_out, body) }
}

/// As mmnas_vqa_answer() for many pairs of an image and a question, which run in batches. An image or a question may be in
/// many pairs.
///
/// @param model        a model for VQA
/// @param images       images of this model
/// @param questions    questions of this model, as many
/// @param count        how many pairs these are
/// @param top_k        how many answers are wanted for each, at least 1; where there are fewer, all are given
/// @param answers_out  receives as many handles, in the order of the pairs, each of which the caller owns and frees with
///                     mmnas_answers_free(), or NULLs on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_vqa_answer()
///
/// Threads: may be called from many threads at once with the same model, images and questions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_vqa_answer_batch(
    model: *const mmnas_model,
    images: *const *const mmnas_image,
    questions: *const *const mmnas_text,
    count: usize,
    top_k: usize,
    answers_out: *mut *mut mmnas_answers,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` handles of each for the time of the call.
        let pairs = unsafe { Pairs::new(images, questions, count) }?;
        Ok(model.model.answer_pairs(&pairs.states(), top_k)?.into_iter().map(mmnas_answers::from).collect())
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("answers_out", answers_out, count, error_out, body) }
}

/// How many answers there are.
///
/// @param answers  answers, or NULL, which holds none
/// @return the number; 0 for NULL
///
/// Threads: the answers may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_answers_count(answers: *const mmnas_answers) -> usize {
    boundary::read(answers, 0, |answers| answers.answers.len())
}

/// Reads one answer. The out-parameters for its parts may each be NULL when the part is not wanted; on failure they
/// receive NULL and zeros.
///
/// @param answers          the answers
/// @param index            which one: 0 is the most probable; less than mmnas_answers_count()
/// @param label_out        receives the label: UTF-8, NUL-terminated, borrowed from the answers, valid until
///                         mmnas_answers_free()
/// @param label_len_out    receives the number of bytes of the label without the closing NUL
/// @param probability_out  receives the probability, from 0 to 1; where each answer is scored by itself, the probabilities
///                         of all answers need not sum to 1
/// @param error_out        receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the answers may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_answers_get(
    answers: *const mmnas_answers,
    index: usize,
    label_out: *mut *const c_char,
    label_len_out: *mut usize,
    probability_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |label: *const c_char, label_len: usize, probability: f32| {
        // SAFETY: the caller passes for each of the three NULL or a place to write to.
        unsafe {
            boundary::store(label_out, label);
            boundary::store(label_len_out, label_len);
            boundary::store(probability_out, probability);
        }
    };
    write(ptr::null(), 0, 0.0);
    let body = || {
        let answers = boundary::handle("answers", answers)?;
        let entry = boundary::element("index", &answers.answers, index)?;
        write(entry.label.pointer(), entry.label.len(), entry.probability);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Reads what the network gave for an answer. The out-parameters may each be NULL when the value is not wanted; on failure they
/// receive zeros.
///
/// @param answers    the answers
/// @param index      which one: 0 is the most probable; less than mmnas_answers_count()
/// @param logit_out  receives the network's output, of which the probability is the sigmoid or, where the
///                   bundle says answer_scores: softmax, all answers' softmax
/// @param place_out  receives the answer's place in the bundle's labels, from 0
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the answers may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_answers_get_logit(
    answers: *const mmnas_answers,
    index: usize,
    logit_out: *mut f32,
    place_out: *mut usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |logit: f32, place: usize| {
        // SAFETY: the caller passes for each NULL or a place to write to.
        unsafe {
            boundary::store(logit_out, logit);
            boundary::store(place_out, place);
        }
    };
    write(0.0, 0);
    let body = || {
        let answers = boundary::handle("answers", answers)?;
        let entry = boundary::element("index", &answers.answers, index)?;
        write(entry.logit, entry.place);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees answers and their labels.
///
/// @param answers  answers, or NULL, which does nothing
///
/// Threads: no other thread may use the answers any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_answers_free(answers: *mut mmnas_answers) {
    boundary::free(answers);
}
