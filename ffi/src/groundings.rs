//! Finding the part of an image that a phrase means.

use std::ffi::c_char;

use runtime::Grounding;

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::pairs::Pairs;
use crate::status::mmnas_status;
use crate::text::mmnas_text;
use crate::{boundary, strings};

/// Parts of an image that a phrase may mean, the most probable first.
pub struct mmnas_groundings {
    pub(crate) groundings: Vec<Grounding>,
}

/// Finds the parts of an image that a phrase means (visual grounding).
///
/// @param model           a model for VGD
/// @param image           an image of this model, of known size
/// @param phrase          the phrase, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
/// @param phrase_len      the number of bytes of the phrase
/// @param top_k           how many parts are wanted, at least 1; where there are fewer, all are given
/// @param groundings_out  receives the parts, which the caller owns and frees with mmnas_groundings_free(), or NULL on failure
/// @param error_out       receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an image of another model or of unknown size),
///         MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model and image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_vgd_ground(
    model: *const mmnas_model,
    image: *const mmnas_image,
    phrase: *const c_char,
    phrase_len: usize,
    top_k: usize,
    groundings_out: *mut *mut mmnas_groundings,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        let image = boundary::handle("image", image)?;
        // SAFETY: the caller lends `phrase_len` bytes for the time of the call.
        let phrase = unsafe { strings::text("phrase", phrase, phrase_len) }?;
        Ok(mmnas_groundings { groundings: model.model.ground(&image.image, phrase, top_k)? })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("groundings_out", groundings_out, error_out, body) }
}

/// As mmnas_vgd_ground() for many pairs of an image and a phrase, which run in batches. An image or a phrase may be in many
/// pairs.
///
/// @param model           a model for VGD
/// @param images          images of this model, of known size
/// @param phrases         phrases of this model, as many
/// @param count           how many pairs these are
/// @param top_k           how many parts are wanted for each, at least 1; where there are fewer, all are given
/// @param groundings_out  receives as many handles, in the order of the pairs, each of which the caller owns and frees with
///                        mmnas_groundings_free(), or NULLs on failure
/// @param error_out       receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_vgd_ground()
///
/// Threads: may be called from many threads at once with the same model, images and phrases.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_vgd_ground_batch(
    model: *const mmnas_model,
    images: *const *const mmnas_image,
    phrases: *const *const mmnas_text,
    count: usize,
    top_k: usize,
    groundings_out: *mut *mut mmnas_groundings,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `count` handles of each for the time of the call.
        let pairs = unsafe { Pairs::new(images, phrases, count) }?;
        let all = model.model.ground_pairs(&pairs.states(), top_k)?;
        Ok(all.into_iter().map(|groundings| mmnas_groundings { groundings }).collect())
    };
    // SAFETY: the caller passes NULL or room for `count` handles, and NULL or a place to write an error to.
    unsafe { boundary::make_all("groundings_out", groundings_out, count, error_out, body) }
}

/// How many parts were found.
///
/// @param groundings  the parts
/// @return the number; 0 for NULL
///
/// Threads: the parts may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_groundings_count(groundings: *const mmnas_groundings) -> usize {
    boundary::read(groundings, 0, |groundings| groundings.groundings.len())
}

/// Reads one part. The out-parameters may each be NULL when the value is not wanted; on failure they receive zeros.
///
/// @param groundings       the parts
/// @param index            which one: 0 is the most probable; less than mmnas_groundings_count()
/// @param box_out          receives four numbers, x1 y1 x2 y2 in pixels of the original image, cut to it
/// @param probability_out  receives how much of the phrase's probability the part has, 0 to 1; over all regions of the image it
///                         sums to 1
/// @param score_out        receives the network's score of the region, before the softmax over regions
/// @param region_out       receives the region that the box was made from, for mmnas_image_region_box()
/// @param error_out        receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the parts may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_groundings_get(
    groundings: *const mmnas_groundings,
    index: usize,
    box_out: *mut f32,
    probability_out: *mut f32,
    score_out: *mut f32,
    region_out: *mut usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |corners: [f32; 4], probability: f32, score: f32, region: usize| {
        // SAFETY: the caller passes for each NULL or a place to write to, for the box one of four numbers.
        unsafe {
            boundary::store_box(box_out, corners);
            boundary::store(probability_out, probability);
            boundary::store(score_out, score);
            boundary::store(region_out, region);
        }
    };
    write([0.0; 4], 0.0, 0.0, 0);
    let body = || {
        let groundings = boundary::handle("groundings", groundings)?;
        let found = boundary::element("index", &groundings.groundings, index)?;
        write(found.box_xyxy, found.probability, found.score, found.region);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Draws the boxes on the image, as PNG to a new file.
///
/// @param groundings  the parts
/// @param image       the image's file, UTF-8, need not be NUL-terminated
/// @param image_len   the number of bytes of the image's path; at least 1
/// @param out         the file to write, which must not be there; UTF-8, need not be NUL-terminated
/// @param out_len     the number of bytes of the file's path; at least 1
/// @param error_out   receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
///
/// Threads: the parts may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_groundings_draw(
    groundings: *const mmnas_groundings,
    image: *const c_char,
    image_len: usize,
    out: *const c_char,
    out_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let groundings = boundary::handle("groundings", groundings)?;
        // SAFETY: the caller lends both texts for the time of the call.
        let (image, out) = unsafe { (strings::path("image", image, image_len)?, strings::path("out", out, out_len)?) };
        let boxes: Vec<_> = groundings.groundings.iter().map(|found| found.box_xyxy).collect();
        Ok(runtime::draw_boxes(&image, &boxes, &out)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees groundings.
///
/// @param groundings  groundings, or NULL, which does nothing
///
/// Threads: no other thread may use the groundings any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_groundings_free(groundings: *mut mmnas_groundings) {
    boundary::free(groundings);
}
