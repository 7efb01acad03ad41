//! What a queue of calls has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a handle has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchCounts {
    /// Requests that wait or run.
    pub pending: u64,
    /// Requests that were answered, with a result or an error.
    pub answered: u64,
    /// Requests that were refused because the queue was full.
    pub refused: u64,
    /// Requests whose callers had gone before they ran.
    pub abandoned: u64,
    /// Batches that ran.
    pub batches: u64,
}

/// The counts while they change.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) pending: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) batches: AtomicU64,
}

impl Counters {
    /// The counts now.
    pub(super) fn read(&self) -> BatchCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BatchCounts {
            // First: whoever sees that nothing is pending sees the rest.
            pending: self.pending.load(Ordering::Acquire),
            answered: of(&self.answered),
            refused: of(&self.refused),
            abandoned: of(&self.abandoned),
            batches: of(&self.batches),
        }
    }
}
