//! What a network looked at.

use std::ffi::c_char;

use runtime::Explanation;

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::strings::Text;
use crate::{boundary, strings};

/// How much each word of a text and each region of an image counted.
pub struct mmnas_explanation {
    explanation: Explanation,
    words: Vec<Text>,
}

/// Tells how much each word of a text and each region of an image counts: the network's attention after its last block, for
/// VGD the regions' probabilities. It tells where the network gathered its answer from, not why it gave it.
///
/// @param model            the model
/// @param image            an image of this model
/// @param text             the question, caption or phrase, UTF-8, need not be NUL-terminated
/// @param text_len         the number of bytes of the text
/// @param explanation_out  receives the explanation, which the caller owns and frees with mmnas_explanation_free(), or NULL on
///                         failure
/// @param error_out        receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_INVALID_BUNDLE (it was written
///         before bundles had these numbers), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model and image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_explain(
    model: *const mmnas_model,
    image: *const mmnas_image,
    text: *const c_char,
    text_len: usize,
    explanation_out: *mut *mut mmnas_explanation,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, image) = (boundary::handle("model", model)?, boundary::handle("image", image)?);
        // SAFETY: the caller lends `text_len` bytes for the time of the call.
        let text = unsafe { strings::text("text", text, text_len) }?;
        let explanation = model.model.explain(&image.image, text)?;
        let words = explanation.words.iter().map(|word| Text::new(&word.word)).collect();
        Ok(mmnas_explanation { explanation, words })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("explanation_out", explanation_out, error_out, body) }
}

/// How many words an explanation weighs.
///
/// @param explanation  the explanation
/// @return the number; 0 for NULL
///
/// Threads: the explanation may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_explanation_word_count(explanation: *const mmnas_explanation) -> usize {
    boundary::read(explanation, 0, |explanation| explanation.words.len())
}

/// Reads one word with its weight. The out-parameters may each be NULL when the value is not wanted; on failure they receive
/// NULL and zeros.
///
/// @param explanation   the explanation
/// @param index         which one, in the order of the text; less than mmnas_explanation_word_count()
/// @param word_out      receives the word: UTF-8, NUL-terminated, borrowed from the explanation, valid until
///                      mmnas_explanation_free()
/// @param word_len_out  receives the number of bytes of the word without the closing NUL
/// @param weight_out    receives the weight, 0 to 1; over all words it sums to 1
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the explanation may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_explanation_word(
    explanation: *const mmnas_explanation,
    index: usize,
    word_out: *mut *const c_char,
    word_len_out: *mut usize,
    weight_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |(word, len): (*const c_char, usize), weight: f32| {
        // SAFETY: the caller passes for each NULL or a place to write to.
        unsafe {
            boundary::store(word_out, word);
            boundary::store(word_len_out, len);
            boundary::store(weight_out, weight);
        }
    };
    write((std::ptr::null(), 0), 0.0);
    let body = || {
        let explanation = boundary::handle("explanation", explanation)?;
        let word = boundary::element("index", &explanation.explanation.words, index)?;
        let text = boundary::element("index", &explanation.words, index)?;
        write((text.pointer(), text.len()), word.weight);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// How many regions an explanation weighs.
///
/// @param explanation  the explanation
/// @return the number; 0 for NULL
///
/// Threads: the explanation may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_explanation_region_count(explanation: *const mmnas_explanation) -> usize {
    boundary::read(explanation, 0, |explanation| explanation.explanation.regions.len())
}

/// Reads one region with its weight. The out-parameters may each be NULL when the value is not wanted; on failure they receive
/// zeros.
///
/// @param explanation  the explanation
/// @param index        which one, in the order of the image's regions; less than mmnas_explanation_region_count()
/// @param box_out      receives four numbers, x1 y1 x2 y2 in pixels of the original image
/// @param weight_out   receives the weight, 0 to 1; over all regions it sums to 1
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the explanation may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_explanation_region(
    explanation: *const mmnas_explanation,
    index: usize,
    box_out: *mut f32,
    weight_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |corners: [f32; 4], weight: f32| {
        // SAFETY: the caller passes for each NULL or a place to write to, for the box one of four numbers.
        unsafe {
            boundary::store_box(box_out, corners);
            boundary::store(weight_out, weight);
        }
    };
    write([0.0; 4], 0.0);
    let body = || {
        let explanation = boundary::handle("explanation", explanation)?;
        let region = boundary::element("index", &explanation.explanation.regions, index)?;
        write(region.box_xyxy, region.weight);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Draws an explanation, as PNG to a new file: the image with its regions shaded, and the words under it.
///
/// @param explanation  the explanation
/// @param image        the image's file, UTF-8, need not be NUL-terminated
/// @param image_len    the number of bytes of the image's path; at least 1
/// @param title        what to write under the words, such as the answer; UTF-8, need not be NUL-terminated
/// @param title_len    the number of bytes of the title
/// @param out          the file to write, which must not be there; UTF-8, need not be NUL-terminated
/// @param out_len      the number of bytes of the file's path; at least 1
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
///
/// Threads: the explanation may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_explanation_draw(
    explanation: *const mmnas_explanation,
    image: *const c_char,
    image_len: usize,
    title: *const c_char,
    title_len: usize,
    out: *const c_char,
    out_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let explanation = boundary::handle("explanation", explanation)?;
        // SAFETY: the caller lends the three texts for the time of the call.
        let (image, title, out) = unsafe {
            (
                strings::path("image", image, image_len)?,
                strings::text("title", title, title_len)?,
                strings::path("out", out, out_len)?,
            )
        };
        Ok(runtime::draw_explanation(&image, &explanation.explanation, title, &out)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees an explanation and its words.
///
/// @param explanation  an explanation, or NULL, which does nothing
///
/// Threads: no other thread may use the explanation any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_explanation_free(explanation: *mut mmnas_explanation) {
    boundary::free(explanation);
}
