//! Calls of many threads, gathered into batches.

use std::ffi::c_char;
use std::time::Duration;

use runtime::{BatchSettings, Batcher};

use crate::answers::mmnas_answers;
use crate::error::mmnas_error;
use crate::groundings::mmnas_groundings;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// Gathers what many threads ask of a model at a time into batches, which take less time than one call after the other.
pub struct mmnas_batcher {
    batcher: Batcher,
}

/// Starts a thread that runs the calls of others in batches. Calls wait in a queue, the first come first; the thread takes what
/// waits there, and runs it as one batch. A full queue refuses at once, so that a service can say so instead of falling behind.
///
/// @param model                  the model; limits of a limited one are not the batches'
/// @param max_batch              calls of a batch at most, 1 to 1024
/// @param max_wait_microseconds  how long the first call of a batch waits for others at most; 0 takes what is there
/// @param queue                  calls that may wait, 1 to 65,536
/// @param batcher_out            receives the batcher, which the caller owns and frees with mmnas_batcher_free(), or NULL on failure
/// @param error_out              receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT (also where the system starts no thread)
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_create(
    model: *const mmnas_model,
    max_batch: usize,
    max_wait_microseconds: u64,
    queue: usize,
    batcher_out: *mut *mut mmnas_batcher,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        let settings = BatchSettings { max_batch, max_wait: Duration::from_micros(max_wait_microseconds), queue };
        Ok(mmnas_batcher { batcher: Batcher::new(&model.model, settings)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("batcher_out", batcher_out, error_out, body) }
}

/// A batcher whose calls end at the limits of a model.
fn limited(batcher: *const mmnas_batcher, model: *const mmnas_model) -> Result<Batcher, mmnas_error> {
    let (batcher, model) = (boundary::handle("batcher", batcher)?, boundary::handle("model", model)?);
    Ok(batcher.batcher.limited_as(&model.model)?)
}

/// As mmnas_vqa_answer(), in a batch with the calls of other threads. It returns when its own answers are there; in 8 bits what
/// else is in a batch moves them a little.
///
/// @param batcher       the batcher
/// @param model         its model, for VQA; or what mmnas_model_limited_to() made of that, whose limits end this call: one that is ended
///                      while its batch runs leaves the batch to the others
/// @param image         an image of this model
/// @param question      the question, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
/// @param question_len  the number of bytes of the question
/// @param top_k         how many answers are wanted, at least 1; where there are fewer, all are given
/// @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_vqa_answer(); MMNAS_STATUS_OVERLOADED where the queue is full; MMNAS_STATUS_CLOSED after
///         mmnas_batcher_close()
///
/// Threads: may be called from many threads at once, which is what it is for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_answer(
    batcher: *const mmnas_batcher,
    model: *const mmnas_model,
    image: *const mmnas_image,
    question: *const c_char,
    question_len: usize,
    top_k: usize,
    answers_out: *mut *mut mmnas_answers,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let batcher = limited(batcher, model)?;
        let image = boundary::handle("image", image)?;
        // SAFETY: the caller lends `question_len` bytes for the time of the call.
        let question = unsafe { strings::text("question", question, question_len) }?;
        Ok(batcher.answer(&image.image, question, top_k)?.into())
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("answers_out", answers_out, error_out, body) }
}

/// As mmnas_vgd_ground(), in a batch with the calls of other threads.
///
/// @param batcher         the batcher
/// @param model           its model, for VGD; or what mmnas_model_limited_to() made of that, as in mmnas_batcher_answer()
/// @param image           an image of this model, of known size
/// @param phrase          the phrase, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
/// @param phrase_len      the number of bytes of the phrase
/// @param top_k           how many parts are wanted, at least 1; where there are fewer, all are given
/// @param groundings_out  receives the parts, which the caller owns and frees with mmnas_groundings_free(), or NULL on failure
/// @param error_out       receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_vgd_ground(); MMNAS_STATUS_OVERLOADED or MMNAS_STATUS_CLOSED as mmnas_batcher_answer()
///
/// Threads: may be called from many threads at once, which is what it is for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_ground(
    batcher: *const mmnas_batcher,
    model: *const mmnas_model,
    image: *const mmnas_image,
    phrase: *const c_char,
    phrase_len: usize,
    top_k: usize,
    groundings_out: *mut *mut mmnas_groundings,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let batcher = limited(batcher, model)?;
        let image = boundary::handle("image", image)?;
        // SAFETY: the caller lends `phrase_len` bytes for the time of the call.
        let phrase = unsafe { strings::text("phrase", phrase, phrase_len) }?;
        Ok(mmnas_groundings { groundings: batcher.ground(&image.image, phrase, top_k)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("groundings_out", groundings_out, error_out, body) }
}

/// As mmnas_itm_match() for one pair of an image and a text, in a batch with the calls of other threads.
///
/// @param batcher          the batcher
/// @param model            its model, for ITM; or what mmnas_model_limited_to() made of that, as in mmnas_batcher_answer()
/// @param image            an image of this model
/// @param text             the text, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
/// @param text_len         the number of bytes of the text
/// @param probability_out  receives how well they belong together, 0 to 1; 0 on failure; may be NULL
/// @param logit_out        receives what the network gave; 0 on failure; may be NULL
/// @param error_out        receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_itm_match(); MMNAS_STATUS_EMPTY_TEXT; MMNAS_STATUS_OVERLOADED or MMNAS_STATUS_CLOSED as mmnas_batcher_answer()
///
/// Threads: may be called from many threads at once, which is what it is for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_match(
    batcher: *const mmnas_batcher,
    model: *const mmnas_model,
    image: *const mmnas_image,
    text: *const c_char,
    text_len: usize,
    probability_out: *mut f32,
    logit_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |probability: f32, logit: f32| {
        // SAFETY: the caller passes for each NULL or a place to write to.
        unsafe {
            boundary::store(probability_out, probability);
            boundary::store(logit_out, logit);
        }
    };
    write(0.0, 0.0);
    let body = || {
        let batcher = limited(batcher, model)?;
        let image = boundary::handle("image", image)?;
        // SAFETY: the caller lends `text_len` bytes for the time of the call.
        let text = unsafe { strings::text("text", text, text_len) }?;
        let found = batcher.match_pair(&image.image, text)?;
        write(found.probability, found.logit);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// What a batcher has done so far. Results go out a moment before they are counted.
///
/// @param batcher        the batcher
/// @param answered_out   receives the number of calls that were answered, with a result or an error; may be NULL
/// @param refused_out    receives the number of calls that were refused because the queue was full; may be NULL
/// @param abandoned_out  receives the number of calls that were ended before they ran; may be NULL
/// @param batches_out    receives the number of batches that ran; may be NULL; all of them 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_counts(
    batcher: *const mmnas_batcher,
    answered_out: *mut u64,
    refused_out: *mut u64,
    abandoned_out: *mut u64,
    batches_out: *mut u64,
) {
    let (answered, refused, abandoned, batches) = boundary::read(batcher, (0, 0, 0, 0), |batcher| {
        let counts = batcher.batcher.counts();
        (counts.answered, counts.refused, counts.abandoned, counts.batches)
    });
    // SAFETY: the caller passes for each NULL or a place to write to.
    unsafe {
        boundary::store(answered_out, answered);
        boundary::store(refused_out, refused);
        boundary::store(abandoned_out, abandoned);
        boundary::store(batches_out, batches);
    }
}

/// Ends a batcher: calls that wait are answered, and later ones fail with MMNAS_STATUS_CLOSED. Returns when that is done.
///
/// @param batcher    the batcher
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, also where it is closed already, or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_batcher_close(
    batcher: *const mmnas_batcher,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        boundary::handle("batcher", batcher)?.batcher.close();
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees a batcher, as mmnas_batcher_close() ends it; calls that other threads have begun with it come to their end, and the last
/// of them waits for its thread. The model stays.
///
/// @param batcher  a batcher, or NULL, which does nothing
///
/// Threads: may be called at any time; no call may begin with the batcher any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_batcher_free(batcher: *mut mmnas_batcher) {
    boundary::free(batcher);
}
