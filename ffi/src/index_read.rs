//! Reading what an index holds: its states, its embeddings.

use std::ffi::c_char;

use runtime::{EmbeddingFormat, Index, IndexKind, Kind, Limits};

use crate::either_index::EitherIndex;
use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::index::{look, mmnas_index, mmnas_index_kind, search};
use crate::status::mmnas_status;
use crate::text::mmnas_text;
use crate::{boundary, strings};

/// How embeddings are written. The program `mmnas index export` writes Parquet too.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_embedding_format {
    /// NumPy's: float32 [count, width]; the keys in the same order beside it, in NAME.keys.json.
    Npy = 0,
}

/// Reads a state with the limits of the handle, or with those of the index's model.
fn get<K: Kind>(index: &Index<K>, key: &str, limits: Option<&Limits>) -> Result<Option<K::State>, mmnas_error> {
    Ok(match limits {
        Some(limits) => index.get_within(key, limits),
        None => index.get(key),
    }?)
}

/// Reads an image of an index, as mmnas_image_from_file() would have given it, to 16 bits.
///
/// @param index      an index of images
/// @param key        its key, UTF-8, need not be NUL-terminated
/// @param key_len    the number of bytes of the key
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(); NULL on failure, and where there
///                   is no such key, which is none
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts), MMNAS_STATUS_INVALID_BUNDLE (damaged),
///         MMNAS_STATUS_INFERENCE, or what ends the searches
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
    let read = |index: &EitherIndex, limits: Option<&Limits>| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        Ok(get(index.images()?, key, limits)?.map(|image| mmnas_image { image }))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make_any("image_out", image_out, error_out, || search(index, read)) }
}

/// Reads a text of an index, as mmnas_text_encode() would have given it, to 16 bits.
///
/// @param index      an index of texts
/// @param key        its key, UTF-8, need not be NUL-terminated
/// @param key_len    the number of bytes of the key
/// @param text_out   receives the text, which the caller owns and frees with mmnas_text_free(); NULL on failure, and where there is
///                   no such key, which is none
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of images), MMNAS_STATUS_INVALID_BUNDLE (damaged),
///         or what ends the searches
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
    let read = |index: &EitherIndex, limits: Option<&Limits>| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        Ok(get(index.texts()?, key, limits)?.map(|text| mmnas_text { text }))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make_any("text_out", text_out, error_out, || search(index, read)) }
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
    let get = |index: &EitherIndex| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        let found = index.any().embedding(key)?;
        found.ok_or_else(|| mmnas_error::invalid("key", "one that the index has an embedding of", "another"))
    };
    // SAFETY: the caller passes NULL or room for `width` numbers, and NULL or a place to write an error to.
    unsafe { boundary::numbers("embedding_out", embedding_out, width, error_out, || look(index, get)) }
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

/// Writes the keys and embeddings of an index to a new file, for a vector database.
///
/// @param index      an index of a network with embeddings
/// @param out        the file to write, which must not be there; UTF-8, need not be NUL-terminated
/// @param out_len    the number of bytes of the file's path; at least 1
/// @param format     one of mmnas_embedding_format
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_EXISTS, or
///         MMNAS_STATUS_INVALID_BUNDLE (damaged)
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_export(
    index: *const mmnas_index,
    out: *const c_char,
    out_len: usize,
    format: i32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let export = |index: &EitherIndex| {
        // SAFETY: the caller lends `out_len` bytes for the time of the call.
        let out = unsafe { strings::path("out", out, out_len) }?;
        let format = match format {
            0 => EmbeddingFormat::Npy,
            other => {
                let found = other.to_string();
                return Err(mmnas_error::invalid("format", "MMNAS_EMBEDDING_FORMAT_NPY, 0", &found));
            }
        };
        index.any().export_embeddings(&out, format)?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, || look(index, export)) }
}
