//! Pairs of an image and a text, as batch calls take them.

use std::sync::Arc;

use runtime::{ImageState, TextState};

use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::strings;
use crate::text::mmnas_text;

/// Images and texts, as many of each.
pub(crate) struct Pairs {
    images: Vec<Arc<mmnas_image>>,
    texts: Vec<Arc<mmnas_text>>,
}

impl Pairs {
    /// # Safety
    ///
    /// Each is NULL or leads to `count` handles.
    pub(crate) unsafe fn new(
        images: *const *const mmnas_image,
        texts: *const *const mmnas_text,
        count: usize,
    ) -> Result<Self, mmnas_error> {
        // SAFETY: promised by the caller of this function.
        let (images, texts) =
            unsafe { (strings::handles("images", images, count)?, strings::handles("texts", texts, count)?) };
        Ok(Self { images, texts })
    }

    /// As the runtime takes them.
    pub(crate) fn states(&self) -> Vec<(&ImageState, &TextState)> {
        self.images.iter().zip(&self.texts).map(|(image, text)| (&image.image, &text.text)).collect()
    }
}
