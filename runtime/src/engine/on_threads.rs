//! The same work on many items, spread over a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// Does `work` for each item; the results are in the order of the items.
///
/// It runs on the calling thread and at most `threads` − 1 others, which end before this returns.
pub(crate) fn on_threads<I: Sync, R: Send>(threads: usize, items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((place, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|k| Some((k, items.get(k)?)))
        {
            done.push((place, work(item)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let others = (1..threads.min(items.len())).map(|_| Builder::new().spawn_scoped(scope, run));
        // Where the system starts no more threads, those that run do the rest.
        let others: Vec<_> = others.filter_map(Result::ok).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let slow = |&item: &u64| {
            thread::sleep(std::time::Duration::from_micros(100 - item));
            2 * item
        };
        let expected: Vec<u64> = items.iter().map(|item| 2 * item).collect();
        for threads in [0, 1, 3, 1000] {
            assert_eq!(on_threads(threads, &items, slow), expected, "{threads}");
        }
        assert_eq!(on_threads(4, &[], slow), Vec::<u64>::new());
    }
}
