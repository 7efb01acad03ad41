//! How calls are gathered into batches.

use std::time::Duration;

use crate::error::{Error, Result};

/// Places for all that may wait are made at once.
const MAX_QUEUE: usize = 1 << 16;

/// How calls are gathered.
#[derive(Debug, Clone, Copy)]
pub struct BatchSettings {
    /// Requests of a batch at most, 1 to 1024.
    pub max_batch: usize,
    /// How long the first request of a batch waits for others at most.
    pub max_wait: Duration,
    /// Requests that may wait, 1 to 65,536.
    pub queue: usize,
}

impl Default for BatchSettings {
    fn default() -> Self {
        BatchSettings { max_batch: 16, max_wait: Duration::from_millis(5), queue: 256 }
    }
}

impl BatchSettings {
    /// Checks that every setting lies in its range.
    pub(super) fn check(&self) -> Result<()> {
        if self.max_batch == 0 || self.max_batch > 1024 {
            return Err(Error::argument("max_batch", "1 to 1024", self.max_batch));
        }
        if self.queue == 0 || self.queue > MAX_QUEUE {
            return Err(Error::argument("queue", format!("1 to {MAX_QUEUE}"), self.queue));
        }
        Ok(())
    }
}
