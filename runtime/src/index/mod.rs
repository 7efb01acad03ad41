//! States on disk, and what of many belongs to a text or an image best.
//!
//! An index keeps what a model made of images or of texts: projected regions in 16-bit floats and boxes (37 KB an image at
//! H 512 and 36 regions). Its files are `index.json`, `states.N` and `keys.N`. The first is written anew by every commit and
//! says how much of the others counts: a process that is killed at any moment leaves the index as the last commit left it.

mod codec;
pub(crate) mod export;
pub(crate) mod header;
mod key_log;
pub(crate) mod kind;
mod mapped;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod search;
mod shortlist;
pub(crate) mod states;
mod store;

use std::path::Path;

use mmnas_bundle::manifest::TaskName;

use crate::engine::limits::Limits;
use crate::error::Result;
use crate::index::header::IndexKind;
use crate::index::kind::{AnyKind, Images, Kind, Texts};
use crate::index::states::{Access, StateIndex};
use crate::model::Model;

/// States of images or of texts on disk, by keys.
#[derive(Debug)]
pub struct Index<K: ?Sized> {
    model: Model,
    states: StateIndex,
    kind: K,
}

/// States of images by keys, such as file names.
pub type ImageIndex = Index<Images>;
/// States of texts by keys, such as the texts themselves.
pub type TextIndex = Index<Texts>;
/// An index of either kind.
///
/// A reference to an [`ImageIndex`] or a [`TextIndex`] becomes one to this.
pub type AnyIndex = Index<dyn AnyKind>;

impl<K: Kind> Index<K> {
    /// Makes an empty index in the new folder `folder`, to be written to.
    ///
    /// # Errors
    /// A bundle of another task than ITM; a folder that is there already or cannot be written; a bundle of before format
    /// 1.2 whose states cannot be made again from what an index stores.
    pub fn create(model: &Model, folder: &Path) -> Result<Index<K>> {
        model.check_task(TaskName::Itm)?;
        let kind = K::default();
        let states = StateIndex::create(folder, model.manifest(), model.bundle().folder(), kind.kind())?;
        Ok(Index { model: model.clone(), states, kind })
    }

    /// Opens an index that `model`, or another load of its bundle, has made.
    ///
    /// # Errors
    /// A bundle of another task than ITM; files that are missing or damaged; a later format version; an index of another
    /// model or kind; one that another process, or another handle of this one, is writing to, where `access` asks for
    /// writing.
    pub fn open(model: &Model, folder: &Path, access: Access) -> Result<Index<K>> {
        model.check_task(TaskName::Itm)?;
        let kind = K::default();
        let states = StateIndex::open(folder, model.manifest(), kind.kind(), access)?;
        Ok(Index { model: model.clone(), states, kind })
    }

    /// Adds a state, or replaces the one that has the key.
    ///
    /// It counts from the next commit on.
    ///
    /// # Errors
    /// An index opened for reading; a state of another model, or with numbers that 16 bits cannot hold; a key of more
    /// than 64 KiB; a full disk, which loses nothing that was added before.
    pub fn put(&mut self, key: &str, state: &K::State) -> Result<()> {
        let stored = K::stored(&self.model, state)?;
        self.states.put(key, &stored)
    }

    /// Reads the state of a key.
    ///
    /// The call ends at the limits of the model that the index was opened with.
    ///
    /// # Errors
    /// A damaged file; a failure of ONNX Runtime; the limits.
    pub fn get(&self, key: &str) -> Result<Option<K::State>> {
        self.get_by(&self.model, key)
    }

    /// As [`Index::get`], with limits of this call alone in place of the model's.
    ///
    /// # Errors
    /// As [`Index::get`].
    pub fn get_within(&self, key: &str, limits: &Limits) -> Result<Option<K::State>> {
        self.get_by(&self.model.limited(limits.clone()), key)
    }

    fn get_by(&self, model: &Model, key: &str) -> Result<Option<K::State>> {
        model.check_limits()?;
        self.states.get(key)?.map(|stored| K::restored(model, stored)).transpose()
    }
}

impl<K: AnyKind + ?Sized> Index<K> {
    /// What the index holds.
    pub fn kind(&self) -> IndexKind {
        self.kind.kind()
    }

    /// Deletes a state from the next commit on; nothing happens where there is none.
    ///
    /// [`Index::compact`] gives its room back.
    ///
    /// # Errors
    /// An index opened for reading.
    pub fn delete(&mut self, key: &str) -> Result<()> {
        self.states.delete(key)
    }

    /// Makes everything that was added and deleted count.
    ///
    /// All of it counts or, where the disk is full or the process is killed, nothing.
    ///
    /// # Errors
    /// An index opened for reading; a disk that cannot be written.
    pub fn commit(&mut self) -> Result<()> {
        self.states.commit()
    }

    /// Commits, and gives back the room of what was deleted and replaced.
    ///
    /// This needs as much room as the index has. It ends at the limits of the model that the index was opened with, which
    /// leaves the room as it was.
    ///
    /// # Errors
    /// As [`Index::commit`].
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

    /// Width of the embeddings, if the states have any: what a shortlist needs.
    pub fn embedding_width(&self) -> Option<usize> {
        self.states.joint()
    }

    /// The embedding of a key, of length 1.
    ///
    /// There is none where there is no such key or the network has no embeddings.
    ///
    /// # Errors
    /// A damaged file.
    pub fn embedding(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.states.embedding(key)
    }
}
