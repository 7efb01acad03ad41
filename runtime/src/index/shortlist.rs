//! The nearest embeddings of an index, found without looking at all of them.
//!
//! Usearch finds them with a graph of neighbours (HNSW). It lives in memory and is made from the states: a file of its
//! own would be one more that a stranger may have written, and the library trusts what it loads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::error::{Error, Result, one_line};

/// Up to this many entries for each one asked for, all are compared: the graph would visit about as many.
///
/// The graph may miss some that it has. Where few are left out, nobody expects that.
const COMPARE_ALL: usize = 16;

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
    Error::argument("shortlist", "an index of embeddings", one_line(&error.to_string()))
}

impl Shortlist {
    /// An empty one for embeddings `width` wide, with room for `count`.
    pub(super) fn new(width: usize, count: usize) -> Result<Shortlist> {
        let options = IndexOptions {
            dimensions: width,
            // Embeddings have length 1, so this orders as the cosine does.
            metric: MetricKind::IP,
            quantization: ScalarKind::F32,
            ..IndexOptions::default()
        };
        let index = Index::new(&options).map_err(failed)?;
        let threads = rayon::current_num_threads();
        index.reserve_capacity_and_threads(count.max(1024), threads).map_err(failed)?;
        Ok(Shortlist { index: Mutex::new(index), keys: BTreeMap::new() })
    }

    /// Adds those of `entries`, places and keys, that it does not have.
    ///
    /// It has the first of them, from an earlier call that ended early. `embedding` gives the embedding of an entry;
    /// `check`, asked before every `step` of them, may end the call, and what was added until then stays.
    pub(super) fn add_all(
        &mut self,
        entries: &[(u64, &str)],
        step: usize,
        embedding: impl Fn(usize) -> Result<Vec<f32>> + Sync,
        check: impl Fn() -> Result<()>,
    ) -> Result<()> {
        for from in (self.len()..entries.len()).step_by(step.max(1)) {
            check()?;
            let some = &entries[from..entries.len().min(from.saturating_add(step))];
            let index = self.index.get_mut().unwrap_or_else(PoisonError::into_inner);
            let index: &Index = index;
            some.par_iter()
                .enumerate()
                .try_for_each(|(k, (place, _))| index.add(*place, &embedding(from + k)?).map_err(failed))?;
            self.keys.extend(some.iter().map(|(place, key)| (*place, (*key).to_owned())));
        }
        Ok(())
    }

    /// Number of its states.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
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

    /// The keys of the `count` embeddings nearest to `query`, the nearest first.
    ///
    /// They are exact where at least one in [`COMPARE_ALL`] is asked for; else there are as many as the graph finds.
    pub(super) fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<String>> {
        let (count, index) = (count.min(self.keys.len()), self.index());
        let exact = self.keys.len().div_ceil(COMPARE_ALL) <= count;
        let found = if exact { index.exact_search(query, count) } else { index.search(query, count) };
        let found = found.map_err(failed)?;
        Ok(found.keys.iter().filter_map(|place| self.keys.get(place)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_ended_early_goes_on_where_it_stopped() {
        let names: Vec<String> = (0..100).map(|k| format!("{k:03}")).collect();
        let entries: Vec<(u64, &str)> = names.iter().enumerate().map(|(k, name)| (k as u64, name.as_str())).collect();
        let embedding = |k: usize| Ok(vec![(k as f32 / 100.0).cos(), (k as f32 / 100.0).sin()]);
        let asked = Cell::new(0);
        let twice = || {
            asked.set(asked.get() + 1);
            if asked.get() > 2 { Err(Error::DeadlineExceeded) } else { Ok(()) }
        };
        let mut shortlist = Shortlist::new(2, entries.len()).unwrap();
        assert!(matches!(shortlist.add_all(&entries, 10, embedding, twice), Err(Error::DeadlineExceeded)));
        assert_eq!(shortlist.len(), 20);
        shortlist.add_all(&entries, 7, embedding, || Ok(())).unwrap();
        assert_eq!(shortlist.len(), 100);
        assert_eq!(shortlist.nearest(&embedding(63).unwrap(), 1).unwrap(), ["063"]);
        // Every one of them is there, and none twice.
        assert_eq!(shortlist.nearest(&embedding(0).unwrap(), 100).unwrap(), names);
        shortlist.remove(7).unwrap();
        assert_eq!(shortlist.nearest(&embedding(0).unwrap(), 100).unwrap(), [&names[..7], &names[8..]].concat());
    }

    #[test]
    fn where_few_are_left_out_none_is_missed() {
        // Many of one embedding are what a graph loses: they are all neighbours of each other.
        let names: Vec<String> = (0..400).map(|k| format!("{k:03}")).collect();
        let entries: Vec<(u64, &str)> = names.iter().enumerate().map(|(k, name)| (k as u64, name.as_str())).collect();
        let embedding = |k: usize| Ok(if k.is_multiple_of(16) { vec![1.0, 0.0] } else { vec![0.0, 1.0] });
        let mut shortlist = Shortlist::new(2, entries.len()).unwrap();
        shortlist.add_all(&entries, 400, embedding, || Ok(())).unwrap();
        let nearest: std::collections::BTreeSet<String> =
            shortlist.nearest(&[1.0, 0.0], 25).unwrap().into_iter().collect();
        assert!(nearest.iter().eq(names.iter().step_by(16)), "{nearest:?}");
    }
}
