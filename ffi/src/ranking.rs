//! What a search has found.

use std::ffi::c_char;
use std::path::Path;

use runtime::{Hit, Match, Ranked};

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::strings::Text;
use crate::{boundary, strings};

/// Images or texts, the best first.
pub struct mmnas_ranking {
    entries: Vec<Entry>,
}

struct Entry {
    place: usize,
    key: Text,
    score: Match,
}

impl mmnas_ranking {
    /// Of a list that the caller gave.
    pub(crate) fn of_list(ranked: Vec<Ranked>) -> Self {
        let entry = |found: Ranked| Entry { place: found.index, key: Text::new(""), score: found.score };
        Self { entries: ranked.into_iter().map(entry).collect() }
    }

    /// Of an index.
    pub(crate) fn of_index(hits: Vec<Hit>) -> Self {
        let entry = |(place, hit): (usize, Hit)| Entry { place, key: Text::new(&hit.key), score: hit.score };
        Self { entries: hits.into_iter().enumerate().map(entry).collect() }
    }
}

/// How many images or texts a ranking has.
///
/// @param ranking  the ranking
/// @return the number; 0 for NULL
///
/// Threads: the ranking may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_ranking_count(ranking: *const mmnas_ranking) -> usize {
    boundary::read(ranking, 0, |ranking| ranking.entries.len())
}

/// Reads one image or text of a ranking. The out-parameters may each be NULL when the value is not wanted; on failure they
/// receive NULL and zeros.
///
/// @param ranking          the ranking
/// @param index            which one: 0 is the best; less than mmnas_ranking_count()
/// @param place_out        receives its place in the list that was ranked, from 0; in a ranking of an index, `index` itself
/// @param key_out          receives its key in the index: UTF-8, NUL-terminated, borrowed from the ranking, valid until
///                         mmnas_ranking_free(); the empty text where a list was ranked
/// @param key_len_out      receives the number of bytes of the key without the closing NUL
/// @param probability_out  receives how well it belongs, 0 to 1
/// @param logit_out        receives what the network gave
/// @param error_out        receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the ranking may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_ranking_get(
    ranking: *const mmnas_ranking,
    index: usize,
    place_out: *mut usize,
    key_out: *mut *const c_char,
    key_len_out: *mut usize,
    probability_out: *mut f32,
    logit_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |place: usize, (key, key_len): (*const c_char, usize), score: Match| {
        // SAFETY: the caller passes for each NULL or a place to write to.
        unsafe {
            boundary::store(place_out, place);
            boundary::store(key_out, key);
            boundary::store(key_len_out, key_len);
            boundary::store(probability_out, score.probability);
            boundary::store(logit_out, score.logit);
        }
    };
    write(0, (std::ptr::null(), 0), Match { probability: 0.0, logit: 0.0 });
    let body = || {
        let ranking = boundary::handle("ranking", ranking)?;
        let entry = boundary::element("index", &ranking.entries, index)?;
        write(entry.place, (entry.key.pointer(), entry.key.len()), entry.score);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Draws the first eight images of a ranking of an index side by side, as PNG to a new file. Its keys have to be names of files
/// in `folder`.
///
/// @param ranking     the ranking
/// @param folder      where the images are, UTF-8, need not be NUL-terminated
/// @param folder_len  the number of bytes of the folder's path; at least 1
/// @param title       what to write above them, UTF-8, need not be NUL-terminated
/// @param title_len   the number of bytes of the title
/// @param out         the file to write, which must not be there; UTF-8, need not be NUL-terminated
/// @param out_len     the number of bytes of the file's path; at least 1
/// @param error_out   receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
///
/// Threads: the ranking may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_ranking_draw(
    ranking: *const mmnas_ranking,
    folder: *const c_char,
    folder_len: usize,
    title: *const c_char,
    title_len: usize,
    out: *const c_char,
    out_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let ranking = boundary::handle("ranking", ranking)?;
        // SAFETY: the caller lends the three texts for the time of the call.
        let (folder, title, out) = unsafe {
            (
                strings::path("folder", folder, folder_len)?,
                strings::text("title", title, title_len)?,
                strings::path("out", out, out_len)?,
            )
        };
        if ranking.entries.iter().any(|entry| entry.key.as_str().is_empty()) {
            return Err(mmnas_error::invalid(
                "ranking",
                "one of an index, whose keys are names of files",
                "one without",
            ));
        }
        let files: Vec<_> =
            ranking.entries.iter().map(|entry| (folder.join(entry.key.as_str()), entry.score)).collect();
        let images: Vec<(&Path, String)> =
            files.iter().map(|(file, score)| (file.as_path(), format!("{:.4}", score.probability))).collect();
        Ok(runtime::draw_ranking(&images, title, &out)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees a ranking and its keys.
///
/// @param ranking  a ranking, or NULL, which does nothing
///
/// Threads: no other thread may use the ranking any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_ranking_free(ranking: *mut mmnas_ranking) {
    boundary::free(ranking);
}
