//! Texts that were read once and can be used with many images.

use std::ffi::c_char;

use runtime::TextState;

use crate::error::mmnas_error;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::string_list::mmnas_keys;
use crate::strings::Text;
use crate::{boundary, strings};

/// A text as a model reads it: a question, a caption or a phrase.
pub struct mmnas_text {
    pub(crate) text: TextState,
}

/// Encodes a text for a model. It is cut to mmnas_model_max_tokens() words.
///
/// @param model      the model that will be asked
/// @param text       the text, UTF-8, need not be NUL-terminated
/// @param text_len   the number of bytes of the text
/// @param text_out   receives the text, which the caller owns and frees with mmnas_text_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_INFERENCE, or what
///         ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_text_encode(
    model: *const mmnas_model,
    text: *const c_char,
    text_len: usize,
    text_out: *mut *mut mmnas_text,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `text_len` bytes for the time of the call.
        let text = unsafe { strings::text("text", text, text_len) }?;
        Ok(mmnas_text { text: model.model.encode_text(text)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("text_out", text_out, error_out, body) }
}

/// As mmnas_text_encode() for many texts, in batches.
///
/// @param model      the model that will be asked
/// @param texts      the beginnings of the texts, UTF-8, need not be NUL-terminated
/// @param texts_len  the number of bytes of each text
/// @param count      how many texts these are
/// @param texts_out  receives as many texts, in their order, each of which the caller owns and frees with mmnas_text_free(), or
///                   NULLs on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_text_encode(); the first text that has an error decides
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_text_encode_batch(
    model: *const mmnas_model,
    texts: *const *const c_char,
    texts_len: *const usize,
    count: usize,
    texts_out: *mut *mut mmnas_text,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` texts for the time of the call.
        let texts = unsafe { strings::texts("texts", texts, texts_len, count) }?;
        Ok(model.model.encode_texts(&texts)?.into_iter().map(|text| mmnas_text { text }).collect())
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("texts_out", texts_out, count, error_out, body) }
}

/// How many words of a text were read.
///
/// @param text  the text
/// @return the number; 0 for NULL
///
/// Threads: the text may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_text_tokens(text: *const mmnas_text) -> usize {
    boundary::read(text, 0, |text| text.text.tokens())
}

/// Lists the words of a text that a model does not know, as the text has them: it reads each of them as one and the same unknown
/// word, and answers all the same. Words beyond mmnas_model_max_tokens() are not looked at.
///
/// @param model      the model that will be asked
/// @param text       the text, UTF-8, need not be NUL-terminated
/// @param text_len   the number of bytes of the text
/// @param words_out  receives the words, none where the model knows all, which the caller owns and frees with mmnas_keys_free(), or
///                   NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT or MMNAS_STATUS_INVALID_BUNDLE
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_text_unknown_words(
    model: *const mmnas_model,
    text: *const c_char,
    text_len: usize,
    words_out: *mut *mut mmnas_keys,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `text_len` bytes for the time of the call.
        let text = unsafe { strings::text("text", text, text_len) }?;
        Ok(mmnas_keys { keys: model.model.coverage(text)?.unknown.iter().map(|word| Text::new(word)).collect() })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("words_out", words_out, error_out, body) }
}

/// Frees a text. Answers about it stay valid, as do indexes that hold it.
///
/// @param text  a text, or NULL, which does nothing
///
/// Threads: no call may begin with the text any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_text_free(text: *mut mmnas_text) {
    boundary::free(text);
}
