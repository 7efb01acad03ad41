//! States: what a model keeps of an image or a text.

use std::sync::Arc;

use mmnas_bundle::boxes::BoxXyxy;

use crate::engine::stage::Tensors;
use crate::error::{Error, Result};

/// A number that tells the models of a process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelId(u64);

impl ModelId {
    /// A number that no other model has.
    pub(crate) fn next() -> ModelId {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        ModelId(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

/// An encoded image: what the image stage makes of its regions.
///
/// Cheap to clone; belongs to the model that made it.
#[derive(Debug, Clone)]
pub struct ImageState {
    model: ModelId,
    tensors: Arc<Tensors>,
    boxes: Arc<[BoxXyxy]>,
    size: (u32, u32),
}

/// An encoded text: what the text stage makes of its words.
///
/// Cheap to clone; belongs to the model that made it.
#[derive(Debug, Clone)]
pub struct TextState {
    model: ModelId,
    tensors: Arc<Tensors>,
    tokens: usize,
}

impl ImageState {
    pub(crate) fn new(model: ModelId, tensors: Tensors, boxes: &[BoxXyxy], size: (u32, u32)) -> ImageState {
        ImageState { model, tensors: Arc::new(tensors), boxes: boxes.into(), size }
    }

    /// The image's regions, in pixels of the original image.
    pub fn boxes(&self) -> &[BoxXyxy] {
        &self.boxes
    }

    /// Width and height of the original image in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The tensors, for the model that made them.
    pub(crate) fn tensors_for(&self, model: ModelId) -> Result<&Tensors> {
        if self.model == model { Ok(&self.tensors) } else { Err(Error::ForeignState { state: "image" }) }
    }
}

impl TextState {
    /// Number of tokens of the text.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    pub(crate) fn new(model: ModelId, tensors: Tensors, tokens: usize) -> TextState {
        TextState { model, tensors: Arc::new(tensors), tokens }
    }

    /// The tensors, for the model that made them.
    pub(crate) fn tensors_for(&self, model: ModelId) -> Result<&Tensors> {
        if self.model == model { Ok(&self.tensors) } else { Err(Error::ForeignState { state: "text" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_another_model_is_refused() {
        let (ours, theirs) = (ModelId::next(), ModelId::next());
        let image = ImageState::new(theirs, Tensors::new(), &[], (1, 1));
        assert!(image.tensors_for(theirs).is_ok());
        assert!(matches!(image.tensors_for(ours), Err(Error::ForeignState { state: "image" })));
        assert!(TextState::new(theirs, Tensors::new(), 1).tensors_for(ours).is_err());
    }

    #[test]
    fn states_cross_threads() {
        fn check<T: Send + Sync + Clone>() {}
        check::<ImageState>();
        check::<TextState>();
    }
}
