//! Images that were looked at once and can be asked about many times.

use std::ffi::c_char;

use runtime::ImageState;

use crate::error::mmnas_error;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// An image as a model sees it. The work on the picture is done; a question about it costs only its own part.
pub struct mmnas_image {
    pub(crate) image: ImageState,
}

boundary::shareable!(mmnas_image);

/// Reads an image file and encodes it for a model.
///
/// PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most 20,000 pixels a side and 512 MiB decoded.
/// A rotation noted in the file's metadata (EXIF) is applied.
///
/// @param model      the model that will be asked
/// @param path       the file, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, MMNAS_STATUS_WRONG_TASK
///         (the bundle takes no pictures), or MMNAS_STATUS_INFERENCE
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_file(
    model: *const mmnas_model,
    path: *const c_char,
    path_len: usize,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller passes NULL or a live model.
        let model = unsafe { boundary::handle("model", model) }?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        Ok(mmnas_image { image: model.model.encode_image_file(&path)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// As mmnas_image_from_file(), for an image file that is in memory.
///
/// @param model      the model that will be asked
/// @param bytes      the content of an image file, not bare pixels; only read, and not needed after the call
/// @param bytes_len  the number of bytes
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IMAGE (no bytes at all are no image either),
///         MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures), or MMNAS_STATUS_INFERENCE
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_bytes(
    model: *const mmnas_model,
    bytes: *const u8,
    bytes_len: usize,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller passes NULL or a live model.
        let model = unsafe { boundary::handle("model", model) }?;
        // SAFETY: the caller lends `bytes_len` bytes for the time of the call.
        let bytes = unsafe { strings::bytes("bytes", bytes, bytes_len) }?;
        Ok(mmnas_image { image: model.model.encode_image_bytes(bytes)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// Frees an image. Answers about it stay valid.
///
/// @param image  an image, or NULL, which does nothing
///
/// Threads: no other thread may use the image any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_free(image: *mut mmnas_image) {
    // SAFETY: the caller passes NULL or an image that this library made, and gives it up.
    unsafe { boundary::free(image) }
}
