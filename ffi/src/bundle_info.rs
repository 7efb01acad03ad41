//! What a bundle says of itself.

use std::ffi::c_char;

use crate::boundary;
use crate::model::{BundleInfo, mmnas_model};
use crate::strings::Text;

/// Lends a text of a model's.
///
/// `fallback` where there is no model or no such text.
///
/// # Safety
///
/// `len_out` is NULL or may be written to.
unsafe fn lend(
    model: *const mmnas_model,
    len_out: *mut usize,
    fallback: *const c_char,
    get: impl FnOnce(&BundleInfo) -> Option<&Text>,
) -> *const c_char {
    let (text, len) = boundary::read(model, (fallback, 0), |model| {
        let info = model.info.get_or_init(|| BundleInfo::of(&model.model));
        get(info).map_or((fallback, 0), |text| (text.pointer(), text.len()))
    });
    // SAFETY: promised by the caller of this function.
    unsafe { boundary::store(len_out, len) };
    text
}

/// The folder that a model was loaded from, as it was given: what to show people.
///
/// @param model    the model
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); "(memory)" where its files were in
///         memory; the empty text for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_folder(model: *const mmnas_model, len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, c"".as_ptr(), |info| Some(&info.folder)) }
}

/// A number of a model's network, of all its graphs: models that have the same give the same, and an index that was made with one
/// opens with the others.
///
/// @param model    the model
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return 64 hexadecimal digits, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for
///         NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_identity(model: *const mmnas_model, len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, c"".as_ptr(), |info| Some(&info.identity)) }
}

/// Which region features a model's vision stage gives: the number that `features.json` beside extracted features records. Store it
/// beside features of mmnas_regions, since those of another vision stage mean something else.
///
/// @param model    the model
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return 64 hexadecimal digits, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text
///         where the model takes no pictures, and for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_vision_identity(model: *const mmnas_model, len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, c"".as_ptr(), |info| Some(&info.vision)) }
}

/// The operations of a model's network, as the search found them: its encoder's, then its decoder's.
///
/// @param model    the model
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_architecture(model: *const mmnas_model, len_out: *mut usize) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, c"".as_ptr(), |info| Some(&info.architecture)) }
}

/// How many variants of its graphs a model's bundle has; mmnas_model_variant() tells which of them runs.
///
/// @param model  the model
/// @return the number; 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_variant_count(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().forms().len())
}

/// Reads a variant that a model's bundle has: what mmnas_options_set_variant() takes.
///
/// @param model    the model
/// @param index    which one, from 0
/// @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); NULL where there is no such variant
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_variant_at(
    model: *const mmnas_model,
    index: usize,
    len_out: *mut usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, std::ptr::null(), |info| info.variants.get(index)) }
}

/// How many answers a model chooses from.
///
/// @param model  the model
/// @return the number; 0 for a model of another task than VQA, and for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_label_count(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.labels().len())
}

/// Reads one of the answers that a model chooses from.
///
/// @param model    a model for VQA
/// @param index    its place in the bundle's labels, from 0, as mmnas_answers_get_logit() gives it
/// @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); NULL where there is no such label
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_label_at(
    model: *const mmnas_model,
    index: usize,
    len_out: *mut usize,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { lend(model, len_out, std::ptr::null(), |info| info.labels.get(index)) }
}

/// How many numbers an embedding of an image or a text has.
///
/// @param model  the model
/// @return the number; 0 for a model whose network has no dual encoder, and for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_embedding_width(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.embedding_width().unwrap_or(0))
}

/// How many numbers the state of a word or a region has inside a model.
///
/// @param model  the model
/// @return the number; 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_hidden_width(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().dimensions.hidden)
}

/// How many tokens a model tells apart: words or parts of words, and those that stand for padding and for what it does not know.
///
/// @param model  the model
/// @return the number; 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_vocabulary_size(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().dimensions.vocabulary)
}

/// How many regions a model's vision stage gives a picture at most.
///
/// @param model  the model
/// @return the number; 0 for a model that takes no pictures, and for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_max_regions(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().vision.as_ref().map_or(0, |vision| vision.regions.count()))
}
