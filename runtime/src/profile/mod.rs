//! What probes take on this machine: the table that latencies of networks are predicted from.

mod energy;
mod environment;
mod groups;
mod inputs;
mod memory;
mod rounds;
mod runner;
pub(crate) mod settings;
mod statistics;
mod table_file;

use std::path::Path;

use mmnas_bundle::latency::checks::Checks;
use mmnas_bundle::latency::probes::{PROBES, Probes};
use mmnas_bundle::latency::quantity::Quantity;
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::sha256_of_file;

use crate::engine::limits::{CancelToken, Limits};
use crate::engine::options::LoadOptions;
use crate::engine::provider::Provider;
use crate::engine::session::Sessions;
use crate::engine::stopwatch::Stopwatch;
use crate::error::{Error, Result};
use crate::profile::energy::EnergyCounters;
use crate::profile::groups::groups;
use crate::profile::runner::ProbeRunner;
use crate::profile::settings::ProfileSettings;
use crate::profile::table_file::TableFile;

/// How far a measurement of probes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileProgress {
    /// Runs that are done: one a graph and round.
    pub done: usize,
    /// Runs in all, as far as is known: unsteady times bring more.
    pub of: usize,
}

/// What probes took.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileReport {
    /// What each graph took, as it was written.
    pub table: LatencyTable,
    /// Graphs that an earlier measurement, which did not finish, had left.
    pub resumed: usize,
}

impl ProfileReport {
    /// Whether the machine's energy was counted for every graph.
    pub fn has_energy(&self) -> bool {
        self.table.measurements.iter().all(|measurement| measurement.millijoules.is_some())
    }

    /// Predicted beside measured milliseconds of the networks that were measured whole, of each form.
    ///
    /// `file` names the table in errors.
    ///
    /// # Errors
    /// A table that lacks what a prediction needs.
    pub fn checks(&self, file: &Path) -> Result<Vec<Checks>> {
        let of = |form| Checks::of(&self.table, file, form, Quantity::Milliseconds);
        let checks = self.table.forms().into_iter().map(of).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(checks.into_iter().filter(|checks| !checks.networks.is_empty()).collect())
    }

    /// The largest spread of all graphs.
    pub fn largest_spread(&self) -> f64 {
        self.table.measurements.iter().fold(0.0, |largest, measurement| largest.max(measurement.spread))
    }
}

/// Measures the probes in `folder` and writes what they took to the new file `out`.
///
/// `mmnas-search probes` writes such a folder. Every graph runs on random inputs of one item, in every form or in the
/// one that `options` name. The graphs of one form are in memory together and run in rounds. Until all are
/// measured the table lies beside `out`, as `NAME.partial`; a measurement that was ended goes on from there when it is
/// called again on the same machine. `progress` is called after every round, from the calling thread.
///
/// # Errors
/// A folder of probes that is damaged; a graph that does not run; times that stay unsteady ([`Error::Unsteady`]); `out` in
/// the way; measurements left beside it that are of other probes or of another machine.
pub fn profile(
    folder: &Path,
    out: &Path,
    settings: &ProfileSettings,
    options: &LoadOptions,
    progress: &mut dyn FnMut(ProfileProgress),
) -> Result<ProfileReport> {
    profile_until(&CancelToken::new(), folder, out, settings, options, progress)
}

/// As [`profile`], until `stop` is cancelled.
///
/// What is measured by then is kept, but for the form that is being measured.
///
/// # Errors
/// As [`profile`]; [`Error::ProfileStopped`] where it was stopped.
pub fn profile_until(
    stop: &CancelToken,
    folder: &Path,
    out: &Path,
    settings: &ProfileSettings,
    options: &LoadOptions,
    progress: &mut dyn FnMut(ProfileProgress),
) -> Result<ProfileReport> {
    settings.check()?;
    let file = folder.join(PROBES);
    let probes = Probes::read(folder)?;
    let groups = groups(&probes, options.form, &file)?;
    let target = TableFile::new(out)?;
    let sessions = Sessions::new(options)?;
    let threads = options.thread_count()?;
    // Counters of the processor tell nothing of a GPU.
    let energy = (sessions.provider() == Provider::Cpu).then(|| EnergyCounters::open(Path::new(energy::FOLDER)));
    let energy = energy.flatten();
    let runner = ProbeRunner {
        folder,
        file: &file,
        probes: &probes,
        sessions: &sessions,
        check_hashes: options.check_hashes,
        settings,
        stopwatch: Stopwatch::new(sessions.provider(), threads),
        energy: energy.as_ref(),
        stop: Limits::none().cancelled_by(stop),
    };
    // A file that is missing or cut is told now, not after minutes.
    groups.iter().try_for_each(|group| runner.check_lengths(group))?;
    let environment = environment::here(sessions.provider(), threads);
    let mut table = target.resume(LatencyTable::new(&probes, sha256_of_file(&file)?, environment))?;

    let graphs: usize = groups.iter().map(|group| group.0.len()).sum();
    let todo: Vec<_> = groups.iter().filter(|group| !group.is_in(&table, settings)).collect();
    let left: usize = todo.iter().map(|group| group.0.len()).sum();
    let (resumed, mut kept) = (graphs - left, graphs - left);
    let mut at = ProfileProgress { done: 0, of: left * settings.rounds };
    progress(at);
    let mut is_first = true;
    for group in todo {
        let mut planned = settings.rounds;
        let mut after = |rounds: usize| {
            at.done += group.0.len();
            at.of += (rounds - planned) * group.0.len();
            planned = rounds;
            progress(at);
        };
        let outcome = runner.measure(group, std::mem::take(&mut is_first), &mut after);
        let measured = outcome.map_err(|error| match error {
            Error::Cancelled => Error::ProfileStopped { kept, of: graphs, file: target.partial().to_path_buf() },
            other => other,
        })?;
        kept += measured.len();
        table.measurements.retain(|m| !group.has(m));
        table.measurements.extend(measured);
        // Kept whatever its spread: whoever allows more goes on from here.
        target.keep(&table)?;
        tracing::debug!(kept, graphs, "measured");
        let worst = table.measurements.iter().filter(|m| group.has(m)).max_by(|a, b| a.spread.total_cmp(&b.spread));
        if let Some(m) = worst.filter(|m| m.spread > settings.max_spread) {
            let probe = group.0.iter().find(|g| (g.probe.stack, g.probe.part) == (m.stack, m.part));
            let probe = probe.map_or_else(|| m.stack.to_string(), |graph| graph.probe.name());
            let (form, spread, limit) = (m.form(), m.spread, settings.max_spread);
            return Err(Error::Unsteady { probe, form, spread, limit });
        }
    }
    target.finish(&table)?;
    Ok(ProfileReport { table, resumed })
}
