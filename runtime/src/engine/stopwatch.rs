//! A stopwatch that leaves out the time in which the system ran other programs in place of a graph.

use std::time::{Duration, Instant};

use crate::engine::provider::Provider;

/// How long runs of graphs take.
///
/// On the processor with one thread a graph runs in the calling thread. Linux counts how long a thread was ready and
/// waited for a processor; that time is left out, so that other programs beside it disturb measurements less. Otherwise
/// time is what a clock on the wall shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    /// Whether waiting for a processor is left out.
    without_waiting: bool,
}

impl Stopwatch {
    /// For graphs that `provider` runs with so many threads.
    pub(crate) fn new(provider: Provider, threads: usize) -> Stopwatch {
        Stopwatch { without_waiting: provider == Provider::Cpu && threads == 1 }
    }

    /// How long `work` takes, and what it gives.
    pub(crate) fn time<T>(self, work: impl FnOnce() -> T) -> (T, Duration) {
        let before = self.without_waiting.then(undisturbed).flatten();
        let start = Instant::now();
        let done = work();
        let elapsed = start.elapsed();
        let Some(before) = before else { return (done, elapsed) };
        let reading = Instant::now();
        let Some(after) = waited() else { return (done, elapsed) };
        // Reading takes microseconds; where it took longer, part of the waiting came after the work.
        let since = reading.elapsed();
        let waiting = Duration::from_nanos(after.saturating_sub(before));
        let waiting = if since > QUICK { waiting.saturating_sub(since) } else { waiting };
        (done, elapsed.saturating_sub(waiting))
    }
}

/// Longest time of a reading in which no other program ran.
const QUICK: Duration = Duration::from_micros(50);

/// As [`waited`], read so quickly that nothing was waited for between the reading and now, if that can be had.
fn undisturbed() -> Option<u64> {
    let read = || {
        let start = Instant::now();
        Some((waited()?, start.elapsed()))
    };
    for _ in 0..READINGS {
        let (waited, took) = read()?;
        if took <= QUICK {
            return Some(waited);
        }
    }
    read().map(|(waited, _)| waited)
}

/// So many readings are tried.
const READINGS: usize = 10;

/// Nanoseconds for which this thread was ready and waited for a processor, where the system counts them.
fn waited() -> Option<u64> {
    waited_of(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// The second of the three numbers of `schedstat`: time on a processor, time ready, number of turns.
fn waited_of(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_the_second_number() {
        assert_eq!(waited_of("846311829 51977 312\n"), Some(51_977));
        assert_eq!((waited_of("5\n"), waited_of("5 many 3\n")), (None, None));
    }

    #[test]
    fn time_is_about_what_work_takes() {
        for (provider, threads) in [(Provider::Cpu, 1), (Provider::Cpu, 2), (Provider::Cuda, 1)] {
            let (done, time) = Stopwatch::new(provider, threads).time(|| {
                std::thread::sleep(Duration::from_millis(20));
                7
            });
            assert_eq!(done, 7);
            // Sleeping is not waiting for a processor; being woken may be.
            assert!(time >= Duration::from_millis(15), "{time:?}");
        }
    }
}
