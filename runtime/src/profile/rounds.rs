//! Rounds: every graph runs in each, in an order that changes.
//!
//! What disturbs the machine for a while so disturbs all graphs alike, and no graph always runs after the same other.
//! Rounds in which the machine was slow as a whole are then brought to its usual speed.

use std::time::Duration;

use fastrand::Rng;

use crate::error::Result;
use crate::profile::settings::ProfileSettings;
use crate::profile::statistics::Summary;

/// Runs that do not count, so that memory is allocated and caches are warm.
const WARM_UP: usize = 3;
/// A graph that is faster runs several times a round: clocks tell shorter times badly.
const LEAST: Duration = Duration::from_micros(200);
/// The same where energy is counted, whose counters move about once a millisecond.
const LEAST_FOR_ENERGY: Duration = Duration::from_millis(5);
/// Most runs of a graph in a round.
const MOST_REPEATS: u128 = 1000;
/// So many times the rounds that were asked for there are at most.
const MOST_ROUNDS: usize = 3;
/// So many graphs tell how fast the machine was in a round. Of fewer, one that is disturbed alone would count too much.
const TELL_SPEED: usize = 8;
/// Times that medians and speeds are found again by each other.
const POLISHES: usize = 4;
/// Of the orders.
const SEED: u64 = 1;

/// What some runs of a graph took together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub time: Duration,
    /// Energy of the machine meanwhile, where it is counted.
    pub microjoules: Option<u64>,
}

/// What one graph took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GraphTimes {
    /// Milliseconds of one run, of each round.
    pub milliseconds: Vec<f64>,
    /// Runs of each round.
    pub repeats: usize,
    /// Energy of all runs that count; none where it could not be read in all rounds.
    microjoules: Option<u64>,
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

    /// Millijoules of one run.
    pub(super) fn millijoules(&self) -> Option<f64> {
        self.microjoules.map(|all| all as f64 / 1e3 / self.runs().max(1) as f64)
    }

    fn add(&mut self, sample: Sample) {
        self.milliseconds.push(sample.time.as_secs_f64() * 1e3 / self.repeats as f64);
        self.microjoules = self.microjoules.zip(sample.microjoules).map(|(all, more)| all.saturating_add(more));
    }
}

/// Times `graphs` graphs in rounds.
///
/// There are as many rounds as `settings` say, and up to three times as many where times are spread too far. `time`
/// runs one graph some times and gives what all took, with energy if `energy` says so; `after` is called after each
/// round with the number of rounds that there are to be.
///
/// In every round a graph runs once before the runs that count, so that its weights are in the caches as they are where
/// a network answers one question after another. Without that a graph that is larger than the caches would be measured
/// warm or cold by chance, and a sum of small graphs would not tell what a large one takes.
pub(super) fn measure(
    graphs: usize,
    settings: &ProfileSettings,
    energy: bool,
    time: &mut dyn FnMut(usize, usize) -> Result<Sample>,
    after: &mut dyn FnMut(usize),
) -> Result<Vec<GraphTimes>> {
    let mut times = Vec::with_capacity(graphs);
    for graph in 0..graphs {
        let mut warm = Vec::with_capacity(WARM_UP);
        for _ in 0..WARM_UP {
            warm.push(time(graph, 1)?.time);
        }
        warm.sort_unstable();
        let repeats = repeats(warm[WARM_UP / 2], if energy { LEAST_FOR_ENERGY } else { LEAST });
        times.push(GraphTimes { milliseconds: Vec::new(), repeats, microjoules: energy.then_some(0) });
    }
    let mut random = Rng::with_seed(SEED);
    let mut order: Vec<usize> = (0..graphs).collect();
    let (mut done, mut planned) = (0, settings.rounds);
    loop {
        while done < planned {
            random.shuffle(&mut order);
            for &graph in &order {
                time(graph, 1)?;
                let sample = time(graph, times[graph].repeats)?;
                times[graph].add(sample);
            }
            done += 1;
            after(planned);
        }
        let evened = evened(&times, done);
        let steady = evened.iter().all(|times| times.summary().spread <= settings.max_spread);
        if steady || planned >= MOST_ROUNDS * settings.rounds {
            return Ok(evened);
        }
        planned = (planned + settings.rounds.div_ceil(2)).min(MOST_ROUNDS * settings.rounds);
    }
}

/// The times as if the machine had been equally fast in all rounds.
///
/// Clocks of a shared processor change within seconds, for all graphs alike. A round's slowness is the median over the
/// graphs of the time of each relative to its own median, which is found again without the slowness: Tukey's median
/// polish, of ratios.
fn evened(times: &[GraphTimes], rounds: usize) -> Vec<GraphTimes> {
    let mut evened = times.to_vec();
    if times.len() < TELL_SPEED {
        return evened;
    }
    for _ in 0..POLISHES {
        let medians: Vec<f64> = evened.iter().map(|times| times.summary().median).collect();
        for round in 0..rounds {
            let relative: Vec<f64> =
                times.iter().zip(&medians).map(|(times, median)| times.milliseconds[round] / median).collect();
            let slowness = Summary::of(&relative).median;
            // A clock that saw no time pass tells no speed.
            if slowness > 0.0 && slowness.is_finite() {
                let both = evened.iter_mut().zip(times);
                both.for_each(|(evened, times)| evened.milliseconds[round] = times.milliseconds[round] / slowness);
            }
        }
    }
    evened
}

/// Runs a round of a graph of which one run took `once`, for `least` in all.
fn repeats(once: Duration, least: Duration) -> usize {
    let repeats = least.as_nanos().div_ceil(once.as_nanos().max(1));
    // At most a thousand.
    repeats.clamp(1, MOST_REPEATS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const SETTINGS: ProfileSettings = ProfileSettings { rounds: 6, max_spread: 0.25 };

    fn sample(time: Duration) -> Sample {
        Sample { time, microjoules: None }
    }

    #[test]
    fn fast_graphs_run_several_times_a_round() {
        for (nanoseconds, expected) in [(0, 1000), (1_000, 200), (150_000, 2), (200_000, 1), (5_000_000, 1)] {
            assert_eq!(repeats(Duration::from_nanos(nanoseconds), LEAST), expected, "{nanoseconds}");
        }
    }

    #[test]
    fn every_graph_runs_once_a_round_in_changing_orders() {
        let mut calls = Vec::new();
        let (mut rounds, mut planned) = (0, 0);
        let mut time = |graph: usize, repeats: usize| {
            calls.push(graph);
            // The second graph takes 50 microseconds.
            Ok(sample(Duration::from_micros([1000, 50, 2000][graph]) * repeats as u32))
        };
        let times = measure(3, &SETTINGS, false, &mut time, &mut |of| {
            rounds += 1;
            planned = of;
        });
        let times = times.unwrap();
        assert_eq!((rounds, planned), (6, 6));
        assert_eq!(calls[..9], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        // Each once before the runs that count.
        assert!(calls[9..].chunks(2).all(|pair| pair[0] == pair[1]), "{calls:?}");
        let once: Vec<usize> = calls[9..].iter().copied().step_by(2).collect();
        let orders: Vec<&[usize]> = once.chunks(3).collect();
        assert_eq!(orders.len(), 6);
        assert!(orders.iter().all(|order| (0..3).all(|graph| order.contains(&graph))), "{orders:?}");
        assert!(orders.iter().any(|order| *order != orders[0]), "{orders:?}");
        let medians: Vec<f64> = times.iter().map(|times| times.summary().median).collect();
        assert_eq!(medians, [1.0, 0.05, 2.0]);
        assert_eq!(times.iter().map(GraphTimes::runs).collect::<Vec<_>>(), [6, 24, 6]);
        assert!(times.iter().all(|times| times.millijoules().is_none()));
    }

    #[test]
    fn energy_is_summed_over_the_rounds_of_longer_samples() {
        // 3 W, told in steps of 15 mJ.
        let mut clock = 0u64;
        let mut time = |_: usize, repeats: usize| {
            let time = Duration::from_micros(500) * repeats as u32;
            let before = clock;
            clock += time.as_micros() as u64 * 3;
            Ok(Sample { time, microjoules: Some(clock / 15_000 * 15_000 - before / 15_000 * 15_000) })
        };
        let times = measure(1, &SETTINGS, true, &mut time, &mut |_| {}).unwrap();
        assert_eq!((times[0].repeats, times[0].runs()), (10, 60));
        let millijoules = times[0].millijoules().unwrap();
        assert!((millijoules - 1.5).abs() < 0.2, "{millijoules}");
        // Counters that fail once tell nothing.
        let mut calls = 0;
        let mut once = |_: usize, repeats: usize| {
            calls += 1;
            let microjoules = (calls != 9).then_some(7);
            Ok(Sample { time: Duration::from_millis(9) * repeats as u32, microjoules })
        };
        let times = measure(1, &SETTINGS, true, &mut once, &mut |_| {}).unwrap();
        assert_eq!(times[0].millijoules(), None);
    }

    #[test]
    fn a_machine_that_is_slow_for_a_while_disturbs_no_time() {
        let (calls, graphs) = (std::cell::Cell::new(0usize), std::cell::Cell::new(0usize));
        // Every second round takes 1.75 times as long, and one graph moves by itself.
        let mut time = |graph: usize, repeats: usize| {
            let counted = calls.replace(calls.get() + 1).saturating_sub(WARM_UP * graphs.get());
            let round = counted / graphs.get() / 2;
            let own = 1000 + 200 * graph + if graph == 7 { 400 * (round / 2 % 2) } else { 0 };
            let slow = if round.is_multiple_of(2) { 7 } else { 4 };
            Ok(sample(Duration::from_micros((own * slow * repeats) as u64) / 4))
        };
        let settings = ProfileSettings { rounds: 60, max_spread: 0.25 };
        let mut summaries = |count: usize| {
            calls.set(0);
            graphs.set(count);
            let times = measure(count, &settings, false, &mut time, &mut |_| {}).unwrap();
            times.iter().map(|times| times.summary()).collect::<Vec<_>>()
        };
        let of_many = summaries(8);
        assert!(of_many[..7].iter().all(|summary| summary.spread < 1e-9), "{of_many:?}");
        assert!(of_many[7].spread > 0.05, "{of_many:?}");
        // Relative to each other they are what they are on a machine of one speed.
        assert!((of_many[6].median / of_many[0].median - 2.2).abs() < 1e-9, "{of_many:?}");
        // One alone does not tell itself from the machine.
        assert!(summaries(1)[0].spread > 0.1);
    }

    #[test]
    fn unsteady_times_bring_more_rounds() {
        let (mut calls, mut planned) = (0u64, Vec::new());
        let mut never = |_, _| {
            calls += 1;
            // Every second of the runs that count.
            Ok(sample(Duration::from_millis(1 + 9 * (calls / 2 % 2))))
        };
        let times = measure(1, &SETTINGS, false, &mut never, &mut |of| planned.push(of)).unwrap();
        assert_eq!((times[0].milliseconds.len(), planned.len(), planned.last()), (18, 18, Some(&18)));
        assert!(times[0].summary().spread > SETTINGS.max_spread);
        let mut calls = 0;
        let mut soon = |_, _| {
            calls += 1;
            Ok(sample(Duration::from_millis(if calls <= WARM_UP + 6 { 9 } else { 1 })))
        };
        let times = measure(1, &SETTINGS, false, &mut soon, &mut |_| {}).unwrap();
        assert!(times[0].milliseconds.len() < 18 && times[0].summary().spread <= SETTINGS.max_spread);
    }

    #[test]
    fn a_run_that_fails_ends_all() {
        let outcome = measure(2, &SETTINGS, false, &mut |_, _| Err(Error::Cancelled), &mut |_| {});
        assert!(matches!(outcome, Err(Error::Cancelled)));
    }
}
