//! An index of states of either kind.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mmnas_bundle::manifest::{MANIFEST, Manifest, Stage};

use crate::engine::limits::Limits;
use crate::engine::tensor_names::{IMAGE_EMBEDDING, RELATION_BIAS, TEXT_EMBEDDING};
use crate::error::{Error, Result};
use crate::index::codec::{self, Stored};
use crate::index::header::{FORMAT, HEADER, Header, IndexKind, MAJOR, StoredTensor};
use crate::index::key_log::{Place, Record};
use crate::index::shortlist::Shortlist;
use crate::index::store::Store;
use crate::model::identity::fingerprint;

/// States added to a shortlist between two checks of the limits: about 10 milliseconds.
const STEP: usize = 128;

/// What an index may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Searching; any number of processes at a time.
    Read,
    /// Searching and changing; one handle at a time, of all processes.
    Write,
}

/// A store of states with its shortlist.
#[derive(Debug)]
pub(super) struct StateIndex {
    store: Store,
    kind: IndexKind,
    joint: Option<usize>,
    /// Made when it is first asked for.
    ///
    /// It has fewer than all states where the search that made it had to end.
    shortlist: Mutex<Option<Shortlist>>,
}

/// The error of a call that needs embeddings that the states do not have.
pub(super) fn without_embedding(index: &Path) -> Error {
    let expected = "states of a network with a dual encoder (recipe: [itm.contrastive])";
    Error::argument("shortlist", expected, format!("{} without", index.display()))
}

/// The name of the embedding in states of a kind.
fn embedding_name(kind: IndexKind) -> &'static str {
    match kind {
        IndexKind::Image => IMAGE_EMBEDDING,
        IndexKind::Text => TEXT_EMBEDDING,
    }
}

fn stage(manifest: &Manifest, kind: IndexKind) -> &Stage {
    match kind {
        IndexKind::Image => &manifest.stages.image,
        IndexKind::Text => &manifest.stages.text,
    }
}

/// What of a state is stored: the embedding first, no relation biases.
///
/// The embedding is so found without the rest; the biases are made again from the boxes.
fn stored_tensors(manifest: &Manifest, kind: IndexKind) -> Vec<StoredTensor> {
    let outputs = stage(manifest, kind).outputs.iter().filter(|spec| spec.name != RELATION_BIAS);
    let mut tensors: Vec<StoredTensor> = outputs.map(StoredTensor::of).collect();
    tensors.sort_by_key(|tensor| tensor.name != embedding_name(kind));
    tensors
}

impl StateIndex {
    pub(super) fn create(folder: &Path, manifest: &Manifest, bundle: &Path, kind: IndexKind) -> Result<StateIndex> {
        let biases = manifest.stages.image.outputs.iter().any(|spec| spec.name == RELATION_BIAS);
        if kind == IndexKind::Image && biases && manifest.relation.is_none() {
            let expected = "a stage, which bundles have since format 1.2 (export or import again)";
            return Err(Error::invalid(&bundle.join(MANIFEST), "relation", expected, "none"));
        }
        let header = Header {
            format: FORMAT.to_owned(),
            major: MAJOR,
            minor: 0,
            kind,
            model: fingerprint(manifest),
            tensors: stored_tensors(manifest, kind),
            generation: 1,
            state_bytes: 0,
            key_bytes: 0,
        };
        let index = StateIndex::of(Store::create(folder, header)?, manifest, kind)?;
        index.tell("index made", Access::Write);
        Ok(index)
    }

    pub(super) fn open(folder: &Path, manifest: &Manifest, kind: IndexKind, access: Access) -> Result<StateIndex> {
        let store = Store::open(folder, access == Access::Write)?;
        let file = folder.join(HEADER);
        let header = store.header();
        if header.kind != kind {
            return Err(Error::invalid(&file, "kind", kind, header.kind));
        }
        let expected = fingerprint(manifest);
        if header.model != expected {
            return Err(Error::IndexOfOtherModel {
                index: folder.to_path_buf(),
                expected,
                found: header.model.chars().take(80).collect(),
            });
        }
        if header.tensors != stored_tensors(manifest, kind) {
            return Err(Error::invalid(&file, "tensors", "those of the model's states", "others"));
        }
        let index = StateIndex::of(store, manifest, kind)?;
        index.tell("index opened", access);
        Ok(index)
    }

    /// Tells the log what index this is, on one line.
    fn tell(&self, what: &str, access: Access) {
        let (bytes, garbage) = self.sizes();
        let access = if access == Access::Write { "write" } else { "read" };
        let (folder, kind, identity) = (self.folder(), self.kind, self.store.header().model.as_str());
        tracing::info!(?folder, %kind, states = self.len(), bytes, garbage, access, identity, "{what}");
    }

    fn of(store: Store, manifest: &Manifest, kind: IndexKind) -> Result<StateIndex> {
        let has = stage(manifest, kind).outputs.iter().any(|spec| spec.name == embedding_name(kind));
        let joint = manifest.dimensions.dual_encoder().filter(|_| has);
        Ok(StateIndex { store, kind, joint, shortlist: Mutex::new(None) })
    }

    /// Brings a shortlist to all states, unless `limits` end that.
    ///
    /// It is new or as an earlier search has left it.
    fn go_on(&self, shortlist: &mut Shortlist, limits: &Limits) -> Result<()> {
        let places: Vec<Place> = self.store.places().values().copied().collect();
        let entries: Vec<(u64, &str)> =
            self.store.places().iter().map(|(key, place)| (place.offset, key.as_str())).collect();
        // Without limits there is nothing to look at in between.
        let step = if limits.any() { STEP } else { entries.len() };
        shortlist.add_all(&entries, step, |k| self.embedding_at(places[k]), || limits.check())
    }

    fn embedding_at(&self, place: Place) -> Result<Vec<f32>> {
        let found = codec::first_tensor(self.store.bytes(place)?, self.kind, &self.store.header().tensors);
        found.ok_or_else(|| self.store.damaged(place, "a state", "another content"))
    }

    pub(super) fn put(&mut self, key: &str, state: &Stored) -> Result<()> {
        let bytes = codec::encode(state, self.kind, &self.store.header().tensors)?;
        self.store.put(key, &bytes)
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<()> {
        self.store.delete(key)
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let before = self.len();
        let records = self.store.commit()?;
        // Where a shortlist was asked for it goes on.
        let shortlist = self.shortlist.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // One that is not whole is of no use to what follows: which states it lacks is told by their order.
        let Some(mut shortlist) = shortlist.filter(|shortlist| shortlist.len() == before) else { return Ok(()) };
        let follow = |(record, before): &(Record, Option<Place>)| -> Result<()> {
            before.map_or(Ok(()), |before| shortlist.remove(before.offset))?;
            match record {
                Record::Put(key, place) => shortlist.add(place.offset, key, &self.embedding_at(*place)?),
                Record::Delete(_) => Ok(()),
            }
        };
        match records.iter().try_for_each(follow) {
            Ok(()) => *self.shortlist.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(shortlist),
            // The commit counts all the same; the next shortlist is made from the states.
            Err(error) => tracing::warn!("the shortlist is made again: {error}"),
        }
        Ok(())
    }

    pub(super) fn compact(&mut self, limits: &Limits) -> Result<()> {
        // States lie elsewhere then.
        *self.shortlist.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.store.compact(limits)
    }

    pub(super) fn len(&self) -> usize {
        self.store.places().len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.store.places().keys().map(String::as_str)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.store.places().contains_key(key)
    }

    pub(super) fn sizes(&self) -> (u64, u64) {
        (self.store.header().state_bytes, self.store.garbage())
    }

    pub(super) fn folder(&self) -> &Path {
        self.store.folder()
    }

    /// The state of a key, read and checked.
    pub(super) fn get(&self, key: &str) -> Result<Option<Stored>> {
        let Some(&place) = self.store.places().get(key) else { return Ok(None) };
        let stored = codec::decode(self.store.bytes(place)?, self.kind, &self.store.header().tensors);
        stored.map(Some).ok_or_else(|| self.store.damaged(place, "a state", "another content"))
    }

    /// The embedding of a key.
    pub(super) fn embedding(&self, key: &str) -> Result<Option<Vec<f32>>> {
        match self.store.places().get(key) {
            Some(&place) if self.joint.is_some() => self.embedding_at(place).map(Some),
            _ => Ok(None),
        }
    }

    /// Width of the embeddings, where the states have such.
    pub(super) fn joint(&self) -> Option<usize> {
        self.joint
    }

    /// The keys whose embeddings are nearest to `query`.
    ///
    /// The first search makes the shortlist; where `limits` end it before, the next one goes on from there.
    pub(super) fn nearest(&self, query: &[f32], count: usize, limits: &Limits) -> Result<Vec<String>> {
        let width = self.joint.ok_or_else(|| without_embedding(self.folder()))?;
        let slot = || self.shortlist.lock().unwrap_or_else(PoisonError::into_inner);
        let states = self.len();
        let begun = {
            let mut slot = slot();
            match slot.as_ref() {
                Some(shortlist) if shortlist.len() == states => return shortlist.nearest(query, count),
                _ => slot.take(),
            }
        };
        // Not while the slot is locked: the threads that build may be given another search meanwhile, which would wait for it.
        let mut shortlist = begun.map_or_else(|| Shortlist::new(width, states), Ok)?;
        let built = self.go_on(&mut shortlist, limits);
        // One that failed half-way is not known to have what it says.
        if !matches!(built, Ok(()) | Err(Error::Cancelled | Error::DeadlineExceeded)) {
            return built.map(|()| Vec::new());
        }
        let mut slot = slot();
        // Another search may have begun one too: the one that is further on stays.
        if slot.as_ref().is_none_or(|other| other.len() < shortlist.len()) {
            *slot = Some(shortlist);
        }
        built?;
        slot.as_ref().map_or_else(|| Ok(Vec::new()), |shortlist| shortlist.nearest(query, count))
    }
}
