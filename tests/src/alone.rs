//! One training at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// libtorch has one random generator a process, so two trainings at once would disturb each other's dropout.
pub fn alone() -> MutexGuard<'static, ()> {
    static TRAINING: Mutex<()> = Mutex::new(());
    TRAINING.lock().unwrap_or_else(PoisonError::into_inner)
}
