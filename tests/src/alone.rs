//! One training at a time, on one thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// libtorch has one random generator a process, so two trainings at once would disturb each other's dropout. Its threads
/// wait for each other: beside other tests several of them take minutes for what one does in seconds.
pub fn alone() -> MutexGuard<'static, ()> {
    static TRAINING: Mutex<()> = Mutex::new(());
    let guard = TRAINING.lock().unwrap_or_else(PoisonError::into_inner);
    tch::set_num_threads(1);
    guard
}
