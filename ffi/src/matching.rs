//! How well images and texts belong together.

use runtime::{ImageState, TextState};

use crate::boundary;
use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::pairs::Pairs;
use crate::ranking::mmnas_ranking;
use crate::status::mmnas_status;
use crate::strings;
use crate::text::mmnas_text;

/// Scores pairs of an image and a text (image-text matching), in batches. An image or a text may be in many pairs.
///
/// @param model              a model for ITM
/// @param images             images of this model
/// @param texts              texts of this model, as many
/// @param count              how many pairs these are
/// @param probabilities_out  receives as many numbers, 0 to 1, how well each pair belongs together; zeros on failure; may be
///                           NULL when they are not wanted
/// @param logits_out         receives as many numbers, what the network gave for each pair; zeros on failure; may be NULL when
///                           they are not wanted
/// @param error_out          receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for what is of another model), MMNAS_STATUS_WRONG_TASK,
///         MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model, images and texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_itm_match(
    model: *const mmnas_model,
    images: *const *const mmnas_image,
    texts: *const *const mmnas_text,
    count: usize,
    probabilities_out: *mut f32,
    logits_out: *mut f32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |place: usize, probability: f32, logit: f32| {
        // SAFETY: the caller passes for each NULL or room for `count` numbers, and `place` is less.
        unsafe {
            if !probabilities_out.is_null() {
                boundary::store(probabilities_out.add(place), probability);
            }
            if !logits_out.is_null() {
                boundary::store(logits_out.add(place), logit);
            }
        }
    };
    let body = || {
        // SAFETY: the caller lends `count` handles of each for the time of the call.
        let pairs = unsafe { Pairs::new(images, texts, count) };
        if count <= isize::MAX.unsigned_abs() / size_of::<f32>() {
            (0..count).for_each(|place| write(place, 0.0, 0.0));
        }
        let model = boundary::handle("model", model)?;
        for (place, score) in model.model.match_pairs(&pairs?.states())?.into_iter().enumerate() {
            write(place, score.probability, score.logit);
        }
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Ranks images for a text: scores every pair. For more images than fit into memory there is mmnas_index.
///
/// @param model        a model for ITM
/// @param text         a text of this model
/// @param images       images of this model
/// @param count        how many images these are
/// @param top_k        how many are wanted, at least 1; where there are fewer, all are given
/// @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_itm_match()
///
/// Threads: may be called from many threads at once with the same model, images and text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_itm_rank_images(
    model: *const mmnas_model,
    text: *const mmnas_text,
    images: *const *const mmnas_image,
    count: usize,
    top_k: usize,
    ranking_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, text) = (boundary::handle("model", model)?, boundary::handle("text", text)?);
        // SAFETY: the caller lends `count` handles for the time of the call.
        let images = unsafe { strings::handles("images", images, count) }?;
        let images: Vec<ImageState> = images.iter().map(|image| image.image.clone()).collect();
        Ok(mmnas_ranking::of_list(model.model.rank_images(&text.text, &images, top_k)?))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, body) }
}

/// Ranks texts for an image: scores every pair. For more texts than fit into memory there is mmnas_index.
///
/// @param model        a model for ITM
/// @param image        an image of this model
/// @param texts        texts of this model
/// @param count        how many texts these are
/// @param top_k        how many are wanted, at least 1; where there are fewer, all are given
/// @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_itm_match()
///
/// Threads: may be called from many threads at once with the same model, image and texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_itm_rank_texts(
    model: *const mmnas_model,
    image: *const mmnas_image,
    texts: *const *const mmnas_text,
    count: usize,
    top_k: usize,
    ranking_out: *mut *mut mmnas_ranking,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, image) = (boundary::handle("model", model)?, boundary::handle("image", image)?);
        // SAFETY: the caller lends `count` handles for the time of the call.
        let texts = unsafe { strings::handles("texts", texts, count) }?;
        let texts: Vec<TextState> = texts.iter().map(|text| text.text.clone()).collect();
        Ok(mmnas_ranking::of_list(model.model.rank_texts(&image.image, &texts, top_k)?))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("ranking_out", ranking_out, error_out, body) }
}
