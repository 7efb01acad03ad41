//! Many pictures at once.
//!
//! What is wrong with one of them loses none of the others.

use std::ffi::c_char;
use std::path::{Path, PathBuf};

use runtime::{ImageRegions, ImageState, PixelBuffer};

use crate::error::mmnas_error;
use crate::image::{mmnas_image, pixel_format};
use crate::model::mmnas_model;
use crate::regions::mmnas_regions;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// Runs `run` on the sources that there are; keeps the others' errors.
///
/// The results are in the order of both.
fn each<S, T>(
    sources: Vec<Result<S, mmnas_error>>,
    run: impl FnOnce(&[S]) -> Vec<Result<T, runtime::Error>>,
) -> Vec<Result<T, mmnas_error>> {
    let mut known = Vec::with_capacity(sources.len());
    let known_or_not: Vec<Result<(), mmnas_error>> =
        sources.into_iter().map(|source| source.map(|source| known.push(source))).collect();
    let mut made = run(&known).into_iter();
    let missing = || mmnas_error::new(mmnas_status::Panic, "a picture has no result");
    let next = |known: Result<(), mmnas_error>| {
        known.and_then(|()| made.next().map_or_else(|| Err(missing()), |made| made.map_err(mmnas_error::from)))
    };
    known_or_not.into_iter().map(next).collect()
}

fn images<E: Into<mmnas_error>>(states: Vec<Result<ImageState, E>>) -> Vec<Result<mmnas_image, mmnas_error>> {
    states.into_iter().map(|state| state.map(|image| mmnas_image { image }).map_err(Into::into)).collect()
}

fn borrowed(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(AsRef::as_ref).collect()
}

/// As mmnas_image_from_file() for many files: they are decoded on as many threads as one operator of a graph may use
/// (mmnas_options_set_threads()), and the vision stage and the image stage run on them in batches. A file that has an error loses
/// none of the others. In 32 and 16 bits the images are those that each file has alone, to rounding; in 8 bits what else is in a
/// batch moves them a little.
///
/// @param model       the model that will be asked
/// @param paths       the files, UTF-8, need not be NUL-terminated
/// @param paths_len   the number of bytes of each path; at least 1
/// @param count       how many files these are
/// @param images_out  receives as many images, in the order of the files, each of which the caller owns and frees with
///                    mmnas_image_free(); NULL where a file has an error, and everywhere on failure
/// @param errors_out  receives as many errors, each of which the caller owns and frees with mmnas_error_free(); NULL where a file
///                    has an image, and everywhere on failure; may itself be NULL: what has no image has failed then
/// @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, also where files have errors, or MMNAS_STATUS_INVALID_ARGUMENT; the errors of files are those of
///         mmnas_image_from_file(), what ends a limited model's calls among them
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_file_batch(
    model: *const mmnas_model,
    paths: *const *const c_char,
    paths_len: *const usize,
    count: usize,
    images_out: *mut *mut mmnas_image,
    errors_out: *mut *mut mmnas_error,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` paths for the time of the call.
        let paths = unsafe { strings::paths("paths", paths, paths_len, count) }?;
        Ok(images(each(paths, |paths| model.model.encode_files(&borrowed(paths)))))
    };
    // SAFETY: the caller passes NULL or room for `count` handles of both, and NULL or a place to write an error to.
    unsafe { boundary::make_each("images_out", images_out, errors_out, count, error_out, body) }
}

/// As mmnas_image_from_file_batch(), for image files that are in memory.
///
/// @param model       the model that will be asked
/// @param bytes       the contents of image files; only read, and not needed after the call
/// @param bytes_len   the number of bytes of each
/// @param count       how many these are
/// @param images_out  as in mmnas_image_from_file_batch()
/// @param errors_out  as in mmnas_image_from_file_batch()
/// @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_file_batch(); the errors of images are those of mmnas_image_from_bytes()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_bytes_batch(
    model: *const mmnas_model,
    bytes: *const *const u8,
    bytes_len: *const usize,
    count: usize,
    images_out: *mut *mut mmnas_image,
    errors_out: *mut *mut mmnas_error,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` lists of bytes for the time of the call.
        let bytes = unsafe { strings::lists_of_bytes("bytes", bytes, bytes_len, count) }?;
        Ok(images(each(bytes, |bytes| model.model.encode_images_bytes(bytes))))
    };
    // SAFETY: the caller passes NULL or room for `count` handles of both, and NULL or a place to write an error to.
    unsafe { boundary::make_each("images_out", images_out, errors_out, count, error_out, body) }
}

/// As mmnas_image_from_file_batch(), for pixels in memory, such as frames of a film: each picture has its own of what
/// mmnas_image_from_pixels() takes.
///
/// @param model       the model that will be asked
/// @param pixels      rows from the top of each picture; only read, and not needed after the call
/// @param pixels_len  the number of bytes of each picture
/// @param widths      the width of each picture, 1 to 20,000 pixels
/// @param heights     the height of each picture, 1 to 20,000 pixels
/// @param strides     for each picture the bytes from the beginning of a row to that of the next
/// @param formats     for each picture one of mmnas_pixel_format
/// @param count       how many pictures these are
/// @param images_out  as in mmnas_image_from_file_batch()
/// @param errors_out  as in mmnas_image_from_file_batch()
/// @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_file_batch(); the errors of pictures are those of mmnas_image_from_pixels()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_pixels_batch(
    model: *const mmnas_model,
    pixels: *const *const u8,
    pixels_len: *const usize,
    widths: *const u32,
    heights: *const u32,
    strides: *const usize,
    formats: *const i32,
    count: usize,
    images_out: *mut *mut mmnas_image,
    errors_out: *mut *mut mmnas_error,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` of each for the time of the call.
        let (pixels, widths, heights, strides, formats) = unsafe {
            (
                strings::lists_of_bytes("pixels", pixels, pixels_len, count)?,
                strings::slice("widths", widths, count)?,
                strings::slice("heights", heights, count)?,
                strings::slice("strides", strides, count)?,
                strings::slice("formats", formats, count)?,
            )
        };
        let buffer = |(place, data): (usize, Result<_, _>)| {
            let (data, format) = (data?, pixel_format(formats[place])?);
            Ok(PixelBuffer { data, width: widths[place], height: heights[place], stride: strides[place], format })
        };
        let buffers = pixels.into_iter().enumerate().map(buffer).collect();
        Ok(images(each(buffers, |buffers| model.model.encode_pixel_buffers(buffers))))
    };
    // SAFETY: the caller passes NULL or room for `count` handles of both, and NULL or a place to write an error to.
    unsafe { boundary::make_each("images_out", images_out, errors_out, count, error_out, body) }
}

/// As mmnas_regions_from_file() for many files, which run as in mmnas_image_from_file_batch().
///
/// @param model        a model that takes pictures
/// @param paths        the files, UTF-8, need not be NUL-terminated
/// @param paths_len    the number of bytes of each path; at least 1
/// @param count        how many files these are
/// @param regions_out  receives as many regions, in the order of the files, each of which the caller owns and frees with
///                     mmnas_regions_free(); NULL where a file has an error, and everywhere on failure
/// @param errors_out   as in mmnas_image_from_file_batch()
/// @param error_out    receives the error of the whole call, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_file_batch()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_from_file_batch(
    model: *const mmnas_model,
    paths: *const *const c_char,
    paths_len: *const usize,
    count: usize,
    regions_out: *mut *mut mmnas_regions,
    errors_out: *mut *mut mmnas_error,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` paths for the time of the call.
        let paths = unsafe { strings::paths("paths", paths, paths_len, count) }?;
        let found = each(paths, |paths| model.model.regions_of_files(&borrowed(paths)));
        Ok(found.into_iter().map(|regions| Ok(mmnas_regions { regions: regions? })).collect())
    };
    // SAFETY: the caller passes NULL or room for `count` handles of both, and NULL or a place to write an error to.
    unsafe { boundary::make_each("regions_out", regions_out, errors_out, count, error_out, body) }
}

/// As mmnas_regions_encode() for the regions of many pictures; the image stage runs as in mmnas_image_from_file_batch().
///
/// @param model       the model that will be asked
/// @param regions     the regions of each picture
/// @param count       how many pictures these are
/// @param images_out  as in mmnas_image_from_file_batch()
/// @param errors_out  as in mmnas_image_from_file_batch()
/// @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_file_batch(); the errors of pictures are those of mmnas_regions_encode()
///
/// Threads: may be called from many threads at once with the same model and regions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_encode_batch(
    model: *const mmnas_model,
    regions: *const *const mmnas_regions,
    count: usize,
    images_out: *mut *mut mmnas_image,
    errors_out: *mut *mut mmnas_error,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` handles for the time of the call.
        let regions = unsafe { strings::handles("regions", regions, count) }?;
        let regions: Vec<&ImageRegions> = regions.iter().map(|regions| &regions.regions).collect();
        Ok(images(model.model.encode_images_regions(&regions)))
    };
    // SAFETY: the caller passes NULL or room for `count` handles of both, and NULL or a place to write an error to.
    unsafe { boundary::make_each("images_out", images_out, errors_out, count, error_out, body) }
}
