//! Questions about images, and their answers.

use std::ffi::c_char;
use std::ptr;

use runtime::Answer;

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// The answers to one question, the most probable first.
pub struct mmnas_answers {
    answers: Vec<Entry>,
}

boundary::shareable!(mmnas_answers);

struct Entry {
    /// The label and a NUL, because most C programs will want to print it.
    label: Box<[u8]>,
    label_len: usize,
    probability: f32,
}

impl From<Answer> for Entry {
    fn from(answer: Answer) -> Self {
        let label_len = answer.label.len();
        let mut label = answer.label.into_bytes();
        label.push(0);
        Self { label: label.into(), label_len, probability: answer.probability }
    }
}

/// Asks a question about an image.
///
/// @param model         the model, of a bundle whose task is VQA
/// @param image         an image that this model encoded
/// @param question      the question, UTF-8, need not be NUL-terminated; NULL with length 0 is the empty text
/// @param question_len  the number of bytes of the question
/// @param top_k         how many answers are wanted; at least 1; a model with fewer answers gives all it has
/// @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on
///                      failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT (no word in the question),
///         MMNAS_STATUS_WRONG_TASK, or MMNAS_STATUS_INFERENCE
///
/// Threads: may be called from many threads at once with the same model and the same image.
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
        // SAFETY: the caller passes NULL or a live model.
        let model = unsafe { boundary::handle("model", model) }?;
        // SAFETY: the caller passes NULL or a live image.
        let image = unsafe { boundary::handle("image", image) }?;
        // SAFETY: the caller lends `question_len` bytes for the time of the call.
        let question = unsafe { strings::text("question", question, question_len) }?;
        let answers = model.model.answer(&image.image, question, top_k)?;
        Ok(mmnas_answers { answers: answers.into_iter().map(Entry::from).collect() })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("answers_out", answers_out, error_out, body) }
}

/// How many answers there are.
///
/// @param answers  answers, or NULL, which holds none
/// @return the number; 0 for NULL
///
/// Threads: the answers may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_answers_count(answers: *const mmnas_answers) -> usize {
    boundary::value(0, || {
        // SAFETY: the caller passes NULL or live answers.
        unsafe { answers.as_ref() }.map_or(0, |answers| answers.answers.len())
    })
}

/// Reads one answer. The out-parameters for its parts may each be NULL when the part is not wanted; on failure they
/// receive NULL and zeros.
///
/// @param answers          the answers
/// @param index            which one: 0 is the most probable; less than mmnas_answers_count()
/// @param label_out        receives the label: UTF-8, NUL-terminated, borrowed from the answers, valid until
///                         mmnas_answers_free()
/// @param label_len_out    receives the number of bytes of the label without the closing NUL
/// @param probability_out  receives the probability, from 0 to 1; each answer is scored by itself, so the probabilities
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
        // SAFETY: the caller passes NULL or live answers.
        let answers = &unsafe { boundary::handle("answers", answers) }?.answers;
        let entry = answers.get(index).ok_or_else(|| {
            mmnas_error::invalid("index", &format!("less than {}", answers.len()), &index.to_string())
        })?;
        write(entry.label.as_ptr().cast(), entry.label_len, entry.probability);
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
pub unsafe extern "C" fn mmnas_answers_free(answers: *mut mmnas_answers) {
    // SAFETY: the caller passes NULL or answers that this library made, and gives them up.
    unsafe { boundary::free(answers) }
}
