//! Searching what an index holds.

use std::ffi::c_char;

use runtime::{Candidates, Error, Hit};

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::index::{Index, look, mmnas_index, other_kind};
use crate::ranking::mmnas_ranking;
use crate::status::mmnas_status;
use crate::text::mmnas_text;
use crate::{boundary, strings};

fn ranked(found: Result<Vec<Vec<Hit>>, Error>) -> Result<mmnas_ranking, mmnas_error> {
    Ok(mmnas_ranking::of_index(found?.pop().unwrap_or_default()))
}

fn candidates(shortlist: usize) -> Candidates {
    if shortlist == 0 { Candidates::All } else { Candidates::Shortlist(shortlist) }
}

/// Finds the images of an index that a text belongs to best.
///
/// @param index        an index of images
/// @param text         a text of the index's model
/// @param top_k        how many are wanted, at least 1; where there are fewer, all are given
/// @param shortlist    how many the network scores: those whose embeddings are nearest; 0 scores all, which takes longer and
///                     misses none
/// @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts, for a text of another model, and for a
///         shortlist where the network has no embeddings), MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (a damaged index),
///         MMNAS_STATUS_INFERENCE, or what ends the calls of the model that the index was opened with
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_find_images(
    index: *const mmnas_index,
    text: *const mmnas_text,
    top_k: usize,
    shortlist: usize,
    ranking_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let find = |index: &Index| {
        let text = boundary::handle("text", text)?;
        match index {
            Index::Images(images) => {
                ranked(images.rank(std::slice::from_ref(&text.text), top_k, candidates(shortlist)))
            }
            Index::Texts(_) => Err(other_kind("index", "images", "texts")),
        }
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, || look(index, find)) }
}

/// Finds the texts of an index that belong to an image best.
///
/// @param index        an index of texts
/// @param image        an image of the index's model
/// @param top_k        how many are wanted, at least 1; where there are fewer, all are given
/// @param shortlist    as in mmnas_index_find_images()
/// @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_index_find_images()
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_find_texts(
    index: *const mmnas_index,
    image: *const mmnas_image,
    top_k: usize,
    shortlist: usize,
    ranking_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let find = |index: &Index| {
        let image = boundary::handle("image", image)?;
        match index {
            Index::Texts(texts) => ranked(texts.rank(std::slice::from_ref(&image.image), top_k, candidates(shortlist))),
            Index::Images(_) => Err(other_kind("index", "texts", "images")),
        }
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, || look(index, find)) }
}

/// Reads an image of an index, as mmnas_image_from_file() would have given it, to 16 bits.
///
/// @param index      an index of images
/// @param key        its key, UTF-8, need not be NUL-terminated
/// @param key_len    the number of bytes of the key
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(); NULL on failure, and where there
///                   is no such key, which is none
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts), MMNAS_STATUS_INVALID_BUNDLE (damaged), or
///         MMNAS_STATUS_INFERENCE
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_get_image(
    index: *const mmnas_index,
    key: *const c_char,
    key_len: usize,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let get = |index: &Index| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        match index {
            Index::Images(images) => Ok(images.get(key)?.map(|image| mmnas_image { image })),
            Index::Texts(_) => Err(other_kind("index", "images", "texts")),
        }
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make_any("image_out", image_out, error_out, || look(index, get)) }
}

/// Reads a text of an index, as mmnas_text_encode() would have given it, to 16 bits.
///
/// @param index      an index of texts
/// @param key        its key, UTF-8, need not be NUL-terminated
/// @param key_len    the number of bytes of the key
/// @param text_out   receives the text, which the caller owns and frees with mmnas_text_free(); NULL on failure, and where there is
///                   no such key, which is none
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of images), or MMNAS_STATUS_INVALID_BUNDLE (damaged)
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_get_text(
    index: *const mmnas_index,
    key: *const c_char,
    key_len: usize,
    text_out: *mut *mut mmnas_text,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let get = |index: &Index| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        match index {
            Index::Texts(texts) => Ok(texts.get(key)?.map(|text| mmnas_text { text })),
            Index::Images(_) => Err(other_kind("index", "texts", "images")),
        }
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make_any("text_out", text_out, error_out, || look(index, get)) }
}
