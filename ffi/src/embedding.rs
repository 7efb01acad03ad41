//! Joint embeddings of images and texts, without an index.

use crate::boundary;
use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::text::mmnas_text;

/// Reads the embedding of an image by the dual encoder: a vector of length 1. The scalar product of an image's and a text's is their
/// cosine, the larger the better they belong together; a vector database finds the nearest by it, and mmnas_itm_match() then
/// scores those.
///
/// @param model          the model of the image, for ITM, whose network has a dual encoder
/// @param image          the image
/// @param embedding_out  receives mmnas_model_embedding_width() numbers; left as it is on failure
/// @param width          how many numbers there is room for: mmnas_model_embedding_width()
/// @param error_out      receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also where the network has no embeddings, and for an image of another
///         model) or MMNAS_STATUS_WRONG_TASK
///
/// Threads: may be called from many threads at once with the same model and image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_image_embedding(
    model: *const mmnas_model,
    image: *const mmnas_image,
    embedding_out: *mut f32,
    width: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, image) = (boundary::handle("model", model)?, boundary::handle("image", image)?);
        Ok(model.model.image_embedding(&image.image)?.to_vec())
    };
    // SAFETY: the caller passes NULL or room for `width` numbers, and NULL or a place to write an error to.
    unsafe { boundary::numbers("embedding_out", embedding_out, width, error_out, body) }
}

/// As mmnas_image_embedding(), of a text.
///
/// @param model          the model of the text, for ITM, whose network has a dual encoder
/// @param text           the text
/// @param embedding_out  receives mmnas_model_embedding_width() numbers; left as it is on failure
/// @param width          how many numbers there is room for: mmnas_model_embedding_width()
/// @param error_out      receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_image_embedding()
///
/// Threads: may be called from many threads at once with the same model and text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_text_embedding(
    model: *const mmnas_model,
    text: *const mmnas_text,
    embedding_out: *mut f32,
    width: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let (model, text) = (boundary::handle("model", model)?, boundary::handle("text", text)?);
        Ok(model.model.text_embedding(&text.text)?.to_vec())
    };
    // SAFETY: the caller passes NULL or room for `width` numbers, and NULL or a place to write an error to.
    unsafe { boundary::numbers("embedding_out", embedding_out, width, error_out, body) }
}
