//! Images that were looked at once and can be asked about many times.

use std::ffi::c_char;

use runtime::bundle::RegionFeatures;
use runtime::{ImageState, PixelBuffer, PixelFormat};

use crate::error::mmnas_error;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// An image as a model sees it. The work on the picture is done; a question about it costs only its own part.
pub struct mmnas_image {
    pub(crate) image: ImageState,
}

/// How the bytes of a pixel lie, one byte a channel.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_pixel_format {
    /// Red, green, blue.
    Rgb = 0,
    /// Blue, green, red.
    Bgr = 1,
    /// Red, green, blue and a fourth byte, which is dropped.
    Rgba = 2,
    /// Blue, green, red and a fourth byte, which is dropped.
    Bgra = 3,
    /// One byte of brightness.
    Grey = 4,
}

/// The format of a number.
pub(crate) fn pixel_format(format: i32) -> Result<PixelFormat, mmnas_error> {
    Ok(match format {
        0 => PixelFormat::Rgb,
        1 => PixelFormat::Bgr,
        2 => PixelFormat::Rgba,
        3 => PixelFormat::Bgra,
        4 => PixelFormat::Grey,
        other => return Err(mmnas_error::invalid("format", "one of mmnas_pixel_format, 0 to 4", &other.to_string())),
    })
}

/// Reads an image file and encodes it for a model.
///
/// PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most 20,000 pixels a side and 512 MiB decoded.
/// A rotation noted in the file's metadata (EXIF) is applied; a transparent image is seen on white. A file that ends in the middle
/// or is damaged is an error. A file whose name ends in .npz holds region features in the published layout, which every model of
/// their width takes, unless the file says that they are of another vision stage: MMNAS_STATUS_INVALID_ARGUMENT.
///
/// @param model      the model that will be asked
/// @param path       the file, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, MMNAS_STATUS_WRONG_TASK
///         (the bundle takes no pictures), MMNAS_STATUS_INVALID_BUNDLE (an .npz that is none), MMNAS_STATUS_INFERENCE, or what
///         ends a limited model's calls
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
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        Ok(mmnas_image { image: model.model.encode_file(&path)? })
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
///         MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
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
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `bytes_len` bytes for the time of the call.
        let bytes = unsafe { strings::bytes("bytes", bytes, bytes_len) }?;
        Ok(mmnas_image { image: model.model.encode_image_bytes(bytes)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// As mmnas_image_from_file(), for pixels in memory, as cameras and decoders give them.
///
/// @param model       the model that will be asked
/// @param pixels      rows from the top; only read, and not needed after the call
/// @param pixels_len  the number of bytes: at least stride × (height − 1) + width × bytes of a pixel
/// @param width       1 to 20,000 pixels
/// @param height      1 to 20,000 pixels
/// @param stride      bytes from the beginning of a row to that of the next; at least width × bytes of a pixel
/// @param format      one of mmnas_pixel_format
/// @param image_out   receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out   receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures),
///         MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_pixels(
    model: *const mmnas_model,
    pixels: *const u8,
    pixels_len: usize,
    width: u32,
    height: u32,
    stride: usize,
    format: i32,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `pixels_len` bytes for the time of the call.
        let data = unsafe { strings::bytes("pixels", pixels, pixels_len) }?;
        let format = pixel_format(format)?;
        let pixels = PixelBuffer { data, width, height, stride, format };
        Ok(mmnas_image { image: model.model.encode_pixel_buffer(&pixels)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// As mmnas_image_from_file(), for regions whose features are known already. Every model takes them.
///
/// @param model         the model that will be asked
/// @param features      regions × mmnas_model_feature_width() finite numbers, region by region; only read, and not needed after
///                      the call
/// @param features_len  how many numbers these are
/// @param boxes         x1 y1 x2 y2 of each region in pixels of the image, x2 ≥ x1 and y2 ≥ y1; boxes that stick out of the
///                      image are cut to it; only read, and not needed after the call
/// @param boxes_len     how many numbers these are: 4 × regions; 1 to 2,048 regions
/// @param width         the image's width in pixels, or 0 where it is not known
/// @param height        the image's height in pixels, or 0 where it is not known
/// @param image_out     receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_INFERENCE, or what ends a limited
///         model's calls
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_from_regions(
    model: *const mmnas_model,
    features: *const f32,
    features_len: usize,
    boxes: *const f32,
    boxes_len: usize,
    width: u32,
    height: u32,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `features_len` numbers for the time of the call.
        let features = unsafe { strings::slice("features", features, features_len) }?;
        // SAFETY: the caller lends `boxes_len` numbers for the time of the call.
        let (boxes, rest) = unsafe { strings::slice("boxes", boxes, boxes_len) }?.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(mmnas_error::invalid("boxes_len", "4 numbers a region", &boxes_len.to_string()));
        }
        let regions = RegionFeatures { features: features.to_vec(), boxes: boxes.to_vec(), size: (width, height) };
        Ok(mmnas_image { image: model.model.encode_regions(&regions)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// The size of the original image in pixels, as people see it.
///
/// @param image       the image
/// @param width_out   receives the width; 0 for NULL and where it is not known; may itself be NULL
/// @param height_out  receives the height; 0 for NULL and where it is not known; may itself be NULL
///
/// Threads: the image may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_size(image: *const mmnas_image, width_out: *mut u32, height_out: *mut u32) {
    let (width, height) = boundary::read(image, (0, 0), |image| image.image.size());
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe {
        boundary::store(width_out, width);
        boundary::store(height_out, height);
    }
}

/// How many regions an image has.
///
/// @param image  the image
/// @return the number; 0 for NULL
///
/// Threads: the image may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_image_region_count(image: *const mmnas_image) -> usize {
    boundary::read(image, 0, |image| image.image.boxes().len())
}

/// Reads where a region of an image lies.
///
/// @param image      the image
/// @param region     which one, from 0; less than mmnas_image_region_count()
/// @param box_out    receives four numbers, x1 y1 x2 y2 in pixels of the original image; zeros on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the image may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_region_box(
    image: *const mmnas_image,
    region: usize,
    box_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    // SAFETY: the caller passes NULL or room for four numbers.
    let write = |corners: [f32; 4]| unsafe { boundary::store_box(box_out, corners) };
    write([0.0; 4]);
    let body = || {
        let image = boundary::handle("image", image)?;
        write(*boundary::element("region", image.image.boxes(), region)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees an image. Answers about it stay valid, as do indexes that hold it.
///
/// @param image  an image, or NULL, which does nothing
///
/// Threads: no call may begin with the image any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_image_free(image: *mut mmnas_image) {
    boundary::free(image);
}
