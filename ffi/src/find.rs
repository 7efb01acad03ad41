//! Searching what an index holds.

use std::ffi::c_char;

use runtime::{Candidates, Error, Hit, ImageState, IndexKind, TextState};

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::index::{Index, look, mmnas_index, mmnas_index_kind, other_kind};
use crate::ranking::mmnas_ranking;
use crate::status::mmnas_status;
use crate::text::mmnas_text;
use crate::{boundary, strings};

fn ranked(found: Result<Vec<Vec<Hit>>, Error>) -> Result<mmnas_ranking, mmnas_error> {
    Ok(mmnas_ranking::of_index(found?.pop().unwrap_or_default()))
}

fn all_ranked(found: Result<Vec<Vec<Hit>>, Error>) -> Result<Vec<mmnas_ranking>, mmnas_error> {
    Ok(found?.into_iter().map(mmnas_ranking::of_index).collect())
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

/// As mmnas_index_find_images() for many texts: where the network scores all images, each is read once for all of them.
///
/// @param index         an index of images
/// @param texts         texts of the index's model
/// @param count         how many texts these are
/// @param top_k         how many images are wanted for each, at least 1; where there are fewer, all are given
/// @param shortlist     as in mmnas_index_find_images()
/// @param rankings_out  receives as many handles, in the order of the texts, each of which the caller owns and frees with
///                      mmnas_ranking_free(), or NULLs on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_index_find_images()
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_find_images_batch(
    index: *const mmnas_index,
    texts: *const *const mmnas_text,
    count: usize,
    top_k: usize,
    shortlist: usize,
    rankings_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let find = |index: &Index| {
        // SAFETY: the caller lends `count` handles for the time of the call.
        let texts = unsafe { strings::handles("texts", texts, count) }?;
        let texts: Vec<TextState> = texts.iter().map(|text| text.text.clone()).collect();
        match index {
            Index::Images(images) => all_ranked(images.rank(&texts, top_k, candidates(shortlist))),
            Index::Texts(_) => Err(other_kind("index", "images", "texts")),
        }
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("rankings_out", rankings_out, count, error_out, || look(index, find)) }
}

/// As mmnas_index_find_texts() for many images: where the network scores all texts, each is read once for all of them.
///
/// @param index         an index of texts
/// @param images        images of the index's model
/// @param count         how many images these are
/// @param top_k         how many texts are wanted for each, at least 1; where there are fewer, all are given
/// @param shortlist     as in mmnas_index_find_images()
/// @param rankings_out  receives as many handles, in the order of the images, each of which the caller owns and frees with
///                      mmnas_ranking_free(), or NULLs on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_index_find_images()
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_find_texts_batch(
    index: *const mmnas_index,
    images: *const *const mmnas_image,
    count: usize,
    top_k: usize,
    shortlist: usize,
    rankings_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let find = |index: &Index| {
        // SAFETY: the caller lends `count` handles for the time of the call.
        let images = unsafe { strings::handles("images", images, count) }?;
        let images: Vec<ImageState> = images.iter().map(|image| image.image.clone()).collect();
        match index {
            Index::Texts(texts) => all_ranked(texts.rank(&images, top_k, candidates(shortlist))),
            Index::Images(_) => Err(other_kind("index", "texts", "images")),
        }
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("rankings_out", rankings_out, count, error_out, || look(index, find)) }
}

/// Reads the embedding of what has a key.
///
/// @param index          the index
/// @param key            the key, UTF-8, need not be NUL-terminated
/// @param key_len        the number of bytes of the key
/// @param embedding_out  receives mmnas_index_embedding_width() numbers, a vector of length 1; left as it is on failure
/// @param width          how many numbers there is room for: mmnas_index_embedding_width()
/// @param error_out      receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also where there is no such key, or the network has no embeddings), or
///         MMNAS_STATUS_INVALID_BUNDLE (damaged)
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_embedding(
    index: *const mmnas_index,
    key: *const c_char,
    key_len: usize,
    embedding_out: *mut f32,
    width: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let get = |index: &Index| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        let found = match index {
            Index::Images(images) => images.embedding(key),
            Index::Texts(texts) => texts.embedding(key),
        }?;
        let Some(found) = found else {
            return Err(mmnas_error::invalid("key", "one that the index has an embedding of", "another"));
        };
        if found.len() != width {
            return Err(mmnas_error::invalid("width", &found.len().to_string(), &width.to_string()));
        }
        if embedding_out.is_null() {
            return Err(boundary::null("embedding_out"));
        }
        for (place, number) in found.into_iter().enumerate() {
            // SAFETY: the caller passes room for `width` numbers, and `place` is less.
            unsafe { boundary::store(embedding_out.add(place), number) };
        }
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, || look(index, get)) }
}

/// What an index holds, without opening it.
///
/// @param path       the index's folder, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param kind_out   receives one of mmnas_index_kind; MMNAS_INDEX_KIND_IMAGES on failure; may be NULL
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (damaged), or
///         MMNAS_STATUS_FUTURE_VERSION
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_kind_of(
    path: *const c_char,
    path_len: usize,
    kind_out: *mut mmnas_index_kind,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    // SAFETY: the caller passes NULL or a place to write to.
    let write = |kind: mmnas_index_kind| unsafe { boundary::store(kind_out, kind) };
    write(mmnas_index_kind::Images);
    let body = || {
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        write(match IndexKind::of(&path)? {
            IndexKind::Image => mmnas_index_kind::Images,
            IndexKind::Text => mmnas_index_kind::Texts,
        });
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}
