//! Regions of pictures with their features.
//!
//! They are looked at once, for several models, or stored.

use std::ffi::c_char;

use runtime::{ImageRegions, PixelBuffer};

use crate::error::mmnas_error;
use crate::image::{mmnas_image, pixel_format};
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::{boundary, strings};

/// The regions of a picture with their features, before any network has read them. Models with the same vision stage
/// (mmnas_model_vision_identity()) take them from one another, so a picture that several models are asked about is looked at once;
/// and a program can store the numbers, and give them to mmnas_image_from_regions() later.
pub struct mmnas_regions {
    pub(crate) regions: ImageRegions,
}

/// Reads an image file and finds its regions, as mmnas_image_from_file() does before it encodes them. A file whose name ends
/// in .npz holds ready features, which every model of their width takes, unless the file says that they are of another vision
/// stage.
///
/// @param model        a model that takes pictures
/// @param path         the file, UTF-8, need not be NUL-terminated
/// @param path_len     the number of bytes of the path; at least 1
/// @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_file()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_from_file(
    model: *const mmnas_model,
    path: *const c_char,
    path_len: usize,
    regions_out: *mut *mut mmnas_regions,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        Ok(mmnas_regions { regions: model.model.regions_of_file(&path)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("regions_out", regions_out, error_out, body) }
}

/// As mmnas_regions_from_file(), for an image file that is in memory.
///
/// @param model        a model that takes pictures
/// @param bytes        the content of an image file, not bare pixels; only read, and not needed after the call
/// @param bytes_len    the number of bytes
/// @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_bytes()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_from_bytes(
    model: *const mmnas_model,
    bytes: *const u8,
    bytes_len: usize,
    regions_out: *mut *mut mmnas_regions,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `bytes_len` bytes for the time of the call.
        let bytes = unsafe { strings::bytes("bytes", bytes, bytes_len) }?;
        Ok(mmnas_regions { regions: model.model.regions_of_image_bytes(bytes)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("regions_out", regions_out, error_out, body) }
}

/// As mmnas_regions_from_file(), for pixels in memory, which are as in mmnas_image_from_pixels().
///
/// @param model        a model that takes pictures
/// @param pixels       rows from the top; only read, and not needed after the call
/// @param pixels_len   the number of bytes: at least stride × (height − 1) + width × bytes of a pixel
/// @param width        1 to 20,000 pixels
/// @param height       1 to 20,000 pixels
/// @param stride       bytes from the beginning of a row to that of the next; at least width × bytes of a pixel
/// @param format       one of mmnas_pixel_format
/// @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_image_from_pixels()
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_from_pixels(
    model: *const mmnas_model,
    pixels: *const u8,
    pixels_len: usize,
    width: u32,
    height: u32,
    stride: usize,
    format: i32,
    regions_out: *mut *mut mmnas_regions,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `pixels_len` bytes for the time of the call.
        let data = unsafe { strings::bytes("pixels", pixels, pixels_len) }?;
        let pixels = PixelBuffer { data, width, height, stride, format: pixel_format(format)? };
        Ok(mmnas_regions { regions: model.model.regions_of_pixel_buffer(&pixels)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("regions_out", regions_out, error_out, body) }
}

/// Encodes regions for a model: the image is the one that mmnas_image_from_file() would have made, without the work on its pixels.
///
/// @param model      the model that will be asked; its vision stage is that of the model that found the regions: the same graphs
///                   (mmnas_model_vision_identity()) and settings
/// @param regions    the regions
/// @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for regions of another vision stage), MMNAS_STATUS_WRONG_TASK (the
///         bundle takes no pictures), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model and regions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_encode(
    model: *const mmnas_model,
    regions: *const mmnas_regions,
    image_out: *mut *mut mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, regions) = (boundary::handle("model", model)?, boundary::handle("regions", regions)?);
        Ok(mmnas_image { image: model.model.encode_image_regions(&regions.regions)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("image_out", image_out, error_out, body) }
}

/// How many regions there are.
///
/// @param regions  the regions
/// @return the number; 0 for NULL
///
/// Threads: the regions may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_regions_count(regions: *const mmnas_regions) -> usize {
    boundary::read(regions, 0, |regions| regions.regions.features().boxes.len())
}

/// The size of the original image in pixels, as people see it.
///
/// @param regions     the regions
/// @param width_out   receives the width; 0 for NULL and where it is not known; may itself be NULL
/// @param height_out  receives the height; 0 for NULL and where it is not known; may itself be NULL
///
/// Threads: the regions may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_size(regions: *const mmnas_regions, width_out: *mut u32, height_out: *mut u32) {
    let (width, height) = boundary::read(regions, (0, 0), |regions| regions.regions.features().size);
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe {
        boundary::store(width_out, width);
        boundary::store(height_out, height);
    }
}

/// The features of all regions, as mmnas_image_from_regions() takes them.
///
/// @param regions  the regions
/// @param len_out  receives how many numbers these are: mmnas_regions_count() × the width of the features, which is
///                 mmnas_model_feature_width() of the model that found them; 0 for NULL; may itself be NULL
/// @return the numbers, region by region, borrowed from the regions: valid until mmnas_regions_free(); NULL for NULL
///
/// Threads: the regions may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_features(regions: *const mmnas_regions, len_out: *mut usize) -> *const f32 {
    let (numbers, len) = boundary::read(regions, (std::ptr::null(), 0), |regions| {
        let features = &regions.regions.features().features;
        (features.as_ptr(), features.len())
    });
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { boundary::store(len_out, len) };
    numbers
}

/// Where all regions lie, as mmnas_image_from_regions() takes it.
///
/// @param regions  the regions
/// @param len_out  receives how many numbers these are: 4 × mmnas_regions_count(); 0 for NULL; may itself be NULL
/// @return x1 y1 x2 y2 of each region in pixels of the original image, borrowed from the regions: valid until
///         mmnas_regions_free(); NULL for NULL
///
/// Threads: the regions may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_regions_boxes(regions: *const mmnas_regions, len_out: *mut usize) -> *const f32 {
    let (numbers, len) = boundary::read(regions, (std::ptr::null(), 0), |regions| {
        let corners = regions.regions.features().boxes.as_flattened();
        (corners.as_ptr(), corners.len())
    });
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { boundary::store(len_out, len) };
    numbers
}

/// Frees regions. Images that were made of them stay valid.
///
/// @param regions  regions, or NULL, which does nothing
///
/// Threads: no other thread may use the regions any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_regions_free(regions: *mut mmnas_regions) {
    boundary::free(regions);
}
