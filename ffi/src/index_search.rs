//! Searching what an index holds.

use runtime::{Candidates, ImageState, Index, Kind, Limits, TextState};

use crate::either_index::EitherIndex;
use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::index::{mmnas_index, search};
use crate::ranking::mmnas_ranking;
use crate::status::mmnas_status;
use crate::text::mmnas_text;
use crate::{boundary, strings};

/// Ranks with the limits of the handle, or with those of the index's model.
fn rank<K: Kind>(
    index: &Index<K>,
    queries: &[K::Query],
    top_k: usize,
    shortlist: usize,
    limits: Option<&Limits>,
) -> Result<Vec<mmnas_ranking>, mmnas_error> {
    let candidates = candidates(shortlist);
    let found = match limits {
        Some(limits) => index.rank_within(queries, top_k, candidates, limits),
        None => index.rank(queries, top_k, candidates),
    }?;
    Ok(found.into_iter().map(mmnas_ranking::of_index).collect())
}

/// As [`rank`], for one query.
fn rank_one<K: Kind>(
    index: &Index<K>,
    query: &K::Query,
    top_k: usize,
    shortlist: usize,
    limits: Option<&Limits>,
) -> Result<mmnas_ranking, mmnas_error> {
    let mut found = rank(index, std::slice::from_ref(query), top_k, shortlist, limits)?;
    Ok(found.pop().unwrap_or_else(|| mmnas_ranking::of_index(Vec::new())))
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
///         MMNAS_STATUS_INFERENCE, or what ends the searches of a limited handle, else the calls of the
///         model that the index was opened with
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
    let find = |index: &EitherIndex, limits: Option<&Limits>| {
        let text = boundary::handle("text", text)?;
        rank_one(index.images()?, &text.text, top_k, shortlist, limits)
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, || search(index, find)) }
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
    let find = |index: &EitherIndex, limits: Option<&Limits>| {
        let image = boundary::handle("image", image)?;
        rank_one(index.texts()?, &image.image, top_k, shortlist, limits)
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, || search(index, find)) }
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
    let find = |index: &EitherIndex, limits: Option<&Limits>| {
        // SAFETY: the caller lends `count` handles for the time of the call.
        let texts = unsafe { strings::handles("texts", texts, count) }?;
        let texts: Vec<TextState> = texts.iter().map(|text| text.text.clone()).collect();
        rank(index.images()?, &texts, top_k, shortlist, limits)
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("rankings_out", rankings_out, count, error_out, || search(index, find)) }
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
    let find = |index: &EitherIndex, limits: Option<&Limits>| {
        // SAFETY: the caller lends `count` handles for the time of the call.
        let images = unsafe { strings::handles("images", images, count) }?;
        let images: Vec<ImageState> = images.iter().map(|image| image.image.clone()).collect();
        rank(index.texts()?, &images, top_k, shortlist, limits)
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("rankings_out", rankings_out, count, error_out, || search(index, find)) }
}
