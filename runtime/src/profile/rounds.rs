//! Rounds: every graph runs in each, in an order that changes.
//!
//! What disturbs the machine for a while so disturbs all graphs alike, and no graph always runs after the same other.

use std::time::Duration;

use fastrand::Rng;

use crate::error::Result;
use crate::profile::settings::ProfileSettings;
use crate::profile::statistics::Summary;

/// Runs that do not count, so that memory is allocated and caches are warm.
const WARM_UP: usize = 3;
/// A graph that is faster runs several times a round: clocks tell shorter times badly.
const LEAST: Duration = Duration::from_micros(200);
/// Most runs of a graph in a round.
const MOST_REPEATS: u128 = 1000;
/// So many times the rounds that were asked for there are at most.
const MOST_ROUNDS: usize = 3;
/// Of the orders.
const SEED: u64 = 1;

/// What one graph took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GraphTimes {
    /// Milliseconds of one run, of each round.
    pub milliseconds: Vec<f64>,
    /// Runs of each round.
    pub repeats: usize,
}

impl GraphTimes {
    /// Median and spread.
    pub(super) fn summary(&self) -> Summary {
        Summary::of(&self.milliseconds)
    }

    /// Runs that count.
    pub(super) fn runs(&self) -> usize {
        self.milliseconds.len() * self.repeats
    }
}

/// Times `graphs` graphs in rounds.
///
/// There are as many rounds as `settings` say, and up to three times as many where times are spread too far. `time`
/// runs one graph some times and gives the time of all; `after` is called after each round with the number of rounds
/// that there are to be.
pub(super) fn measure(
    graphs: usize,
    settings: &ProfileSettings,
    time: &mut dyn FnMut(usize, usize) -> Result<Duration>,
    after: &mut dyn FnMut(usize),
) -> Result<Vec<GraphTimes>> {
    let mut times = Vec::with_capacity(graphs);
    for graph in 0..graphs {
        let mut fastest = Duration::MAX;
        for _ in 0..WARM_UP {
            fastest = fastest.min(time(graph, 1)?);
        }
        times.push(GraphTimes { milliseconds: Vec::new(), repeats: repeats(fastest) });
    }
    let mut random = Rng::with_seed(SEED);
    let mut order: Vec<usize> = (0..graphs).collect();
    let (mut done, mut planned) = (0, settings.rounds);
    loop {
        while done < planned {
            random.shuffle(&mut order);
            for &graph in &order {
                let repeats = times[graph].repeats;
                let milliseconds = time(graph, repeats)?.as_secs_f64() * 1e3 / repeats as f64;
                times[graph].milliseconds.push(milliseconds);
            }
            done += 1;
            after(planned);
        }
        let steady = times.iter().all(|times| times.summary().spread <= settings.max_spread);
        if steady || planned >= MOST_ROUNDS * settings.rounds {
            return Ok(times);
        }
        planned = (planned + settings.rounds.div_ceil(2)).min(MOST_ROUNDS * settings.rounds);
    }
}

/// Runs a round of a graph whose fastest run took `fastest`.
fn repeats(fastest: Duration) -> usize {
    let repeats = LEAST.as_nanos().div_ceil(fastest.as_nanos().max(1));
    // At most a thousand.
    repeats.clamp(1, MOST_REPEATS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const SETTINGS: ProfileSettings = ProfileSettings { rounds: 6, max_spread: 0.25 };

    #[test]
    fn fast_graphs_run_several_times_a_round() {
        for (nanoseconds, expected) in [(0, 1000), (1_000, 200), (150_000, 2), (200_000, 1), (5_000_000, 1)] {
            assert_eq!(repeats(Duration::from_nanos(nanoseconds)), expected, "{nanoseconds}");
        }
    }

    #[test]
    fn every_graph_runs_once_a_round_in_changing_orders() {
        let mut calls = Vec::new();
        let (mut rounds, mut planned) = (0, 0);
        let mut time = |graph: usize, repeats: usize| {
            calls.push(graph);
            // The second graph takes 50 microseconds.
            Ok(Duration::from_micros([1000, 50, 2000][graph]) * repeats as u32)
        };
        let times = measure(3, &SETTINGS, &mut time, &mut |of| {
            rounds += 1;
            planned = of;
        });
        let times = times.unwrap();
        assert_eq!((rounds, planned), (6, 6));
        assert_eq!(calls[..9], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        let orders: Vec<&[usize]> = calls[9..].chunks(3).collect();
        assert_eq!(orders.len(), 6);
        assert!(orders.iter().all(|order| (0..3).all(|graph| order.contains(&graph))), "{orders:?}");
        assert!(orders.iter().any(|order| *order != orders[0]), "{orders:?}");
        let medians: Vec<f64> = times.iter().map(|times| times.summary().median).collect();
        assert_eq!(medians, [1.0, 0.05, 2.0]);
        assert_eq!(times.iter().map(GraphTimes::runs).collect::<Vec<_>>(), [6, 24, 6]);
    }

    #[test]
    fn unsteady_times_bring_more_rounds() {
        let (mut calls, mut planned) = (0u64, Vec::new());
        let mut never = |_, _| {
            calls += 1;
            Ok(Duration::from_millis(1 + 9 * (calls % 2)))
        };
        let times = measure(1, &SETTINGS, &mut never, &mut |of| planned.push(of)).unwrap();
        assert_eq!((times[0].milliseconds.len(), planned.len(), planned.last()), (18, 18, Some(&18)));
        assert!(times[0].summary().spread > SETTINGS.max_spread);
        let mut calls = 0;
        let mut soon = |_, _| {
            calls += 1;
            Ok(Duration::from_millis(if calls <= WARM_UP + 3 { 9 } else { 1 }))
        };
        let times = measure(1, &SETTINGS, &mut soon, &mut |_| {}).unwrap();
        assert!(times[0].milliseconds.len() < 18 && times[0].summary().spread <= SETTINGS.max_spread);
    }

    #[test]
    fn a_run_that_fails_ends_all() {
        let outcome = measure(2, &SETTINGS, &mut |_, _| Err(Error::Cancelled), &mut |_| {});
        assert!(matches!(outcome, Err(Error::Cancelled)));
    }
}
