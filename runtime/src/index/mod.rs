//! States on disk, and what of many belongs to a text or an image best.
//!
//! An index keeps what a model made of images or of texts: projected regions in 16-bit floats and boxes (37 KB an image at
//! H 512 and 36 regions). Its files are `index.json`, `states.N` and `keys.N`. The first is written anew by every commit and
//! says how much of the others counts: a process that is killed at any moment leaves the index as the last commit left it.

mod codec;
mod export;
mod header;
mod key_log;
mod mapped;
#[cfg(feature = "parquet")]
mod parquet;
mod search;
mod shortlist;
mod states;
mod store;

use std::path::Path;

use mmnas_bundle::manifest::TaskName;

use codec::Stored;
pub use export::EmbeddingFormat;
pub use header::IndexKind;
pub use search::{Candidates, Hit};
pub use states::Access;
use states::StateIndex;
pub(crate) use states::fingerprint;

use crate::{Error, ImageState, Limits, Model, Result, TextState};

/// States of images by keys, such as file names.
#[derive(Debug)]
pub struct ImageIndex {
    model: Model,
    states: StateIndex,
}

/// States of texts by keys, such as the texts themselves.
#[derive(Debug)]
pub struct TextIndex {
    model: Model,
    states: StateIndex,
}

/// An error where something needs embeddings that the states do not have.
fn without_embedding(index: &Path) -> Error {
    let expected = "states of a network with a joint embedding (recipe: [contrastive])";
    Error::argument("shortlist", expected, format!("{} without", index.display()))
}

macro_rules! common {
    ($index:ident, $state:ident, $kind:expr, $stored:ident, $made:ident, $what:literal) => {
        impl $index {
            /// A new, empty index in the new folder `folder`, to be written to.
            ///
            /// # Errors
            /// A bundle of another task than ITM; a folder that is there already or cannot be written; a bundle of before format 1.2 whose states cannot be made
            /// again from what an index stores.
            pub fn create(model: &Model, folder: &Path) -> Result<$index> {
                model.check_task(TaskName::Itm)?;
                let bundle = model.bundle().folder();
                let states = StateIndex::create(folder, model.manifest(), bundle, $kind)?;
                Ok($index { model: model.clone(), states })
            }

            /// Opens an index that `model`, or another load of its bundle, has made.
            ///
            /// # Errors
            /// A bundle of another task than ITM; files that are missing or damaged; a later format version; an index of another model or kind; one that
            /// another process, or another handle of this one, is writing to, where `access` asks for writing.
            pub fn open(model: &Model, folder: &Path, access: Access) -> Result<$index> {
                model.check_task(TaskName::Itm)?;
                let states = StateIndex::open(folder, model.manifest(), $kind, access)?;
                Ok($index { model: model.clone(), states })
            }

            #[doc = concat!("Adds the state of ", $what, ", or replaces the one that has the key; it counts from the next commit on.")]
            ///
            /// # Errors
            /// An index opened for reading; a state of another model, or with numbers that 16 bits cannot hold; a key of more
            /// than 64 KiB; a full disk, which loses nothing that was added before.
            pub fn put(&mut self, key: &str, state: &$state) -> Result<()> {
                let stored = self.model.$stored(state)?;
                self.states.put(key, &stored)
            }

            /// Deletes a state from the next commit on; nothing happens where there is none. Its room is given back by
            #[doc = concat!("[`", stringify!($index), "::compact`].")]
            ///
            /// # Errors
            /// An index opened for reading.
            pub fn delete(&mut self, key: &str) -> Result<()> {
                self.states.delete(key)
            }

            /// Makes everything that was added and deleted count, all of it or, where the disk is full or the process is
            /// killed, nothing.
            ///
            /// # Errors
            /// An index opened for reading; a disk that cannot be written.
            pub fn commit(&mut self) -> Result<()> {
                self.states.commit()
            }

            /// Commits, and gives back the room of what was deleted and replaced; needs as much room as the index has. It ends at
            /// the limits of the model that the index was opened with, which leaves the room as it was.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($index), "::commit`].")]
            pub fn compact(&mut self) -> Result<()> {
                self.states.compact(self.model.limits())
            }

            /// Number of states.
            pub fn len(&self) -> usize {
                self.states.len()
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The keys, in their order.
            pub fn keys(&self) -> impl Iterator<Item = &str> {
                self.states.keys()
            }

            /// Whether there is a state of this key.
            pub fn contains(&self, key: &str) -> bool {
                self.states.contains(key)
            }

            /// Bytes of all states, and those of them that were deleted or replaced.
            pub fn bytes(&self) -> (u64, u64) {
                self.states.sizes()
            }

            /// Width of the embeddings, where the states have such: what a shortlist needs.
            pub fn embedding_width(&self) -> Option<usize> {
                self.states.joint()
            }

            /// The state of a key. It ends at the limits of the model that the index was opened with.
            ///
            /// # Errors
            /// A damaged file; a failure of ONNX Runtime; the limits.
            pub fn get(&self, key: &str) -> Result<Option<$state>> {
                self.get_by(&self.model, key)
            }

            #[doc = concat!("As [`", stringify!($index), "::get`], with limits of this call alone in place of the model's.")]
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($index), "::get`].")]
            pub fn get_within(&self, key: &str, limits: &Limits) -> Result<Option<$state>> {
                self.get_by(&self.model.limited(limits.clone()), key)
            }

            fn get_by(&self, model: &Model, key: &str) -> Result<Option<$state>> {
                model.check_limits()?;
                self.states.get(key)?.map(|stored| model.$made(stored)).transpose()
            }

            /// The embedding of a key, of length 1; none where there is no such key or the network has no embeddings.
            ///
            /// # Errors
            /// A damaged file.
            pub fn embedding(&self, key: &str) -> Result<Option<Vec<f32>>> {
                self.states.embedding(key)
            }
        }
    };
}

common!(ImageIndex, ImageState, IndexKind::Image, stored_image, made_image, "an image");
common!(TextIndex, TextState, IndexKind::Text, stored_text, made_text, "a text");

impl Model {
    fn stored_image(&self, state: &ImageState) -> Result<Stored> {
        let tensors = self.image_tensors(state)?.clone();
        Ok(Stored { tensors, boxes: state.boxes().to_vec(), size: state.size(), count: state.boxes().len() })
    }

    fn stored_text(&self, state: &TextState) -> Result<Stored> {
        let tensors = self.text_tensors(state)?.clone();
        Ok(Stored { tensors, boxes: Vec::new(), size: (0, 0), count: state.tokens() })
    }

    fn made_image(&self, stored: Stored) -> Result<ImageState> {
        self.image_state(stored.tensors, &stored.boxes, stored.size)
    }

    fn made_text(&self, stored: Stored) -> Result<TextState> {
        Ok(self.text_state(stored.tensors, stored.count))
    }
}
