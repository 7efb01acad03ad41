//! The kinds of indexes: what they keep, and what is looked for in them.

use std::fmt::Debug;

use crate::engine::tensor_names::{IMAGE_EMBEDDING, TEXT_EMBEDDING};
use crate::error::Result;
use crate::index::codec::Stored;
use crate::index::header::IndexKind;
use crate::model::Model;
use crate::model::state::{ImageState, TextState};

/// What an index keeps, where it does not matter which kind it is.
pub trait AnyKind: Debug + Send + Sync + sealed::Sealed {
    /// The kind as a value.
    fn kind(&self) -> IndexKind;
}

/// A kind of index: what it keeps, and what finds that.
pub trait Kind: AnyKind + Default {
    /// What is kept.
    type State;
    /// What is given to find states.
    type Query;

    /// What of a state is stored.
    #[doc(hidden)]
    fn stored(model: &Model, state: &Self::State) -> Result<Stored>;

    /// The state of what was stored.
    #[doc(hidden)]
    fn restored(model: &Model, stored: Stored) -> Result<Self::State>;

    /// The embedding of a query, where the network has embeddings.
    #[doc(hidden)]
    fn query_embedding<'a>(model: &Model, query: &'a Self::Query) -> Result<Option<&'a [f32]>>;

    /// A query and a state as the network scores them.
    #[doc(hidden)]
    fn pair<'a>(query: &'a Self::Query, state: &'a Self::State) -> (&'a ImageState, &'a TextState);
}

mod sealed {
    /// Keeps other crates from adding kinds.
    pub trait Sealed {}
}

/// An index of images, found by texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Images;

/// An index of texts, found by images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts;

impl sealed::Sealed for Images {}
impl sealed::Sealed for Texts {}

impl AnyKind for Images {
    fn kind(&self) -> IndexKind {
        IndexKind::Image
    }
}

impl AnyKind for Texts {
    fn kind(&self) -> IndexKind {
        IndexKind::Text
    }
}

impl Kind for Images {
    type State = ImageState;
    type Query = TextState;

    fn stored(model: &Model, state: &ImageState) -> Result<Stored> {
        let tensors = model.image_tensors(state)?.clone();
        Ok(Stored { tensors, boxes: state.boxes().to_vec(), size: state.size(), count: state.boxes().len() })
    }

    fn restored(model: &Model, stored: Stored) -> Result<ImageState> {
        model.image_state(stored.tensors, &stored.boxes, stored.size)
    }

    fn query_embedding<'a>(model: &Model, query: &'a TextState) -> Result<Option<&'a [f32]>> {
        model.text_tensor(query, TEXT_EMBEDDING)
    }

    fn pair<'a>(query: &'a TextState, state: &'a ImageState) -> (&'a ImageState, &'a TextState) {
        (state, query)
    }
}

impl Kind for Texts {
    type State = TextState;
    type Query = ImageState;

    fn stored(model: &Model, state: &TextState) -> Result<Stored> {
        let tensors = model.text_tensors(state)?.clone();
        Ok(Stored { tensors, boxes: Vec::new(), size: (0, 0), count: state.tokens() })
    }

    fn restored(model: &Model, stored: Stored) -> Result<TextState> {
        Ok(model.text_state(stored.tensors, stored.count))
    }

    fn query_embedding<'a>(model: &Model, query: &'a ImageState) -> Result<Option<&'a [f32]>> {
        model.image_tensor(query, IMAGE_EMBEDDING)
    }

    fn pair<'a>(query: &'a ImageState, state: &'a TextState) -> (&'a ImageState, &'a TextState) {
        (query, state)
    }
}
