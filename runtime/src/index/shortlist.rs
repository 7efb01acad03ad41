//! The nearest embeddings of an index, found without looking at all of them (usearch: a graph of neighbours, HNSW).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::header::Derived;
use crate::{Error, Result};

/// Embeddings by where their states lie, which no two do at the same place.
pub(super) struct Shortlist {
    // Its searches share memory that it does not guard.
    index: Mutex<Index>,
    keys: BTreeMap<u64, String>,
}

impl std::fmt::Debug for Shortlist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shortlist").field("entries", &self.keys.len()).finish_non_exhaustive()
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::argument("shortlist", "an index of embeddings", crate::error::one_line(&error.to_string()))
}

impl Shortlist {
    /// An empty one of embeddings `width` wide.
    pub(super) fn new(width: usize) -> Result<Shortlist> {
        let options = IndexOptions {
            dimensions: width,
            // Embeddings have length 1, so this orders as the cosine does.
            metric: MetricKind::IP,
            quantization: ScalarKind::F32,
            ..IndexOptions::default()
        };
        Ok(Shortlist { index: Mutex::new(Index::new(&options).map_err(failed)?), keys: BTreeMap::new() })
    }

    /// Reads what [`Shortlist::save`] wrote; none where the file is not what was recorded.
    pub(super) fn load(
        width: usize,
        file: &Path,
        recorded: &Derived,
        keys: BTreeMap<u64, String>,
    ) -> Option<Shortlist> {
        // Checked before the library sees it.
        let content = std::fs::read(file).ok()?;
        if content.len() as u64 != recorded.bytes || crc32c::crc32c(&content) != recorded.crc32c {
            return None;
        }
        let shortlist = Shortlist::new(width).ok()?;
        shortlist.index().load_from_buffer(&content).ok()?;
        let fits = shortlist.index().dimensions() == width && shortlist.index().size() == keys.len();
        fits.then_some(Shortlist { keys, ..shortlist })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the embedding of the state at `place`.
    pub(super) fn add(&mut self, place: u64, key: &str, embedding: &[f32]) -> Result<()> {
        let index = self.index();
        if index.size() == index.capacity() {
            index.reserve((2 * index.size()).max(1024)).map_err(failed)?;
        }
        index.add(place, embedding).map_err(failed)?;
        drop(index);
        self.keys.insert(place, key.to_owned());
        Ok(())
    }

    /// Removes the embedding of the state at `place`.
    pub(super) fn remove(&mut self, place: u64) -> Result<()> {
        if self.keys.remove(&place).is_some() {
            self.index().remove(place).map_err(failed)?;
        }
        Ok(())
    }

    /// The keys of the `count` embeddings nearest to `query`, the nearest first, as far as the search finds them.
    pub(super) fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<&str>> {
        let found = self.index().search(query, count.min(self.keys.len())).map_err(failed)?;
        Ok(found.keys.iter().filter_map(|place| self.keys.get(place)).map(String::as_str).collect())
    }

    /// Writes it to `file`, whole or not at all.
    pub(super) fn save(&self, file: &Path) -> Result<Derived> {
        let index = self.index();
        let mut content = vec![0; index.serialized_length()];
        index.save_to_buffer(&mut content).map_err(failed)?;
        mmnas_bundle::write_atomically(file, &content)?;
        Ok(Derived { bytes: content.len() as u64, crc32c: crc32c::crc32c(&content) })
    }
}
