//! Handles: what C holds.
//!
//! They are numbers in the shape of pointers, under which the library keeps what they stand for.
//!
//! A handle is never followed, it is looked up. So a handle that was freed, one of another type and a pointer from elsewhere
//! are found out instead of read, also where the memory would have been used again: a number is given out once. A call keeps
//! what it works on alive, so a handle that another thread frees meanwhile does no harm either.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

type Object = Arc<dyn Any + Send + Sync>;

/// The objects that C has a handle to.
static LIVE: RwLock<BTreeMap<usize, Object>> = RwLock::new(BTreeMap::new());

/// The first handle: an address that no pointer has.
///
/// With 64 bits no processor has such addresses; with fewer it is the first page. It is aligned as C expects of a
/// pointer.
const FIRST: usize = if usize::BITS == 64 { 1 << (usize::BITS - 1) } else { 1 << 12 };
const STEP: usize = 16;

/// Keeps `object`, and gives its handle.
pub(crate) fn keep<T: Any + Send + Sync>(object: T) -> *mut T {
    static NEXT: AtomicUsize = AtomicUsize::new(FIRST);
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    loop {
        let number = NEXT.fetch_add(STEP, Ordering::Relaxed);
        // With 32 bits the numbers begin again some day.
        if number < FIRST {
            continue;
        }
        if let Entry::Vacant(place) = live.entry(number) {
            place.insert(Arc::new(object));
            return ptr::without_provenance_mut(number);
        }
    }
}

/// What a handle stands for.
///
/// None where it was freed, is of another type, or is no handle.
pub(crate) fn find<T: Any + Send + Sync>(handle: *const T) -> Option<Arc<T>> {
    let live = LIVE.read().unwrap_or_else(PoisonError::into_inner);
    live.get(&handle.addr()).cloned()?.downcast().ok()
}

/// Gives a handle up. Nothing happens where it is none, or of another type.
pub(crate) fn release<T: Any + Send + Sync>(handle: *mut T) {
    let object = {
        let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
        match live.entry(handle.addr()) {
            Entry::Occupied(entry) if entry.get().is::<T>() => Some(entry.remove()),
            _ => None,
        }
    };
    // What takes its time to end, as a model does, does so while others go on.
    drop(object);
}

/// How many objects C has a handle to.
pub(crate) fn count() -> usize {
    LIVE.read().unwrap_or_else(PoisonError::into_inner).len()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::{find, keep, release};

    #[test]
    fn a_handle_is_good_until_it_is_freed_and_never_again() {
        let handle = keep(7_u32);
        assert_eq!(find(handle).as_deref(), Some(&7));
        assert!(find(handle.cast::<u64>()).is_none());
        release(handle.cast::<u64>());
        let held = find(handle).unwrap();
        release(handle);
        release(handle);
        assert!(find(handle).is_none());
        assert_eq!(*held, 7);
        assert_ne!(keep(8_u32), handle);
        assert!(find::<u32>(ptr::null()).is_none());
    }
}
