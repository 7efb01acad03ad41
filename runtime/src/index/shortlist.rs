//! The nearest embeddings of an index, found without looking at all of them (usearch: a graph of neighbours, HNSW). It lives
//! in memory and is made from the states: a file of its own would be one more that a stranger may have written, and the
//! library trusts what it loads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

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
    /// One of embeddings `width` wide: places, keys, and what gives the embedding of a place.
    pub(super) fn build(
        width: usize,
        entries: &[(u64, &str)],
        embedding: impl Fn(usize) -> Result<Vec<f32>> + Sync,
    ) -> Result<Shortlist> {
        let options = IndexOptions {
            dimensions: width,
            // Embeddings have length 1, so this orders as the cosine does.
            metric: MetricKind::IP,
            quantization: ScalarKind::F32,
            ..IndexOptions::default()
        };
        let index = Index::new(&options).map_err(failed)?;
        let threads = rayon::current_num_threads();
        index.reserve_capacity_and_threads(entries.len().max(1024), threads).map_err(failed)?;
        entries
            .par_iter()
            .enumerate()
            .try_for_each(|(k, (place, _))| index.add(*place, &embedding(k)?).map_err(failed))?;
        let keys = entries.iter().map(|(place, key)| (*place, (*key).to_owned())).collect();
        Ok(Shortlist { index: Mutex::new(index), keys })
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
    pub(super) fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<String>> {
        let found = self.index().search(query, count.min(self.keys.len())).map_err(failed)?;
        Ok(found.keys.iter().filter_map(|place| self.keys.get(place)).cloned().collect())
    }
}
