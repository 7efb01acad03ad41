//! Runs the graphs of a group and tells what each took.

use std::path::Path;

use mmnas_bundle::FileRecord;
use mmnas_bundle::latency::probes::{Probe, Probes};
use mmnas_bundle::latency::table::Measurement;
use mmnas_bundle::manifest::{Form, Graph};

use crate::engine::limits::Limits;
use crate::engine::provider::Provider;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::stopwatch::Stopwatch;
use crate::error::{Error, Result};
use crate::profile::energy::EnergyCounters;
use crate::profile::groups::{Group, ProbeGraph};
use crate::profile::inputs::inputs;
use crate::profile::memory::resident;
use crate::profile::rounds::{Sample, measure};
use crate::profile::settings::ProfileSettings;

/// What runs the graphs of a folder.
pub(super) struct ProbeRunner<'a> {
    pub folder: &'a Path,
    /// The description, for errors.
    pub file: &'a Path,
    pub probes: &'a Probes,
    pub sessions: &'a Sessions,
    pub check_hashes: bool,
    pub settings: &'a ProfileSettings,
    pub stopwatch: Stopwatch,
    /// What counts the machine's energy, where it does.
    pub energy: Option<&'a EnergyCounters>,
    /// Looked at between runs.
    pub stop: Limits,
}

/// A graph in memory with what it reads.
struct Loaded {
    runner: StageRunner,
    inputs: Tensors,
    /// Bytes that its session brought, where that could be seen.
    memory: Option<u64>,
}

impl ProbeRunner<'_> {
    /// Checks that the files of a group are as long as recorded.
    pub(super) fn check_lengths(&self, group: &Group<'_>) -> Result<()> {
        for ProbeGraph { probe, form } in &group.0 {
            let graph = self.graph(probe, *form)?;
            for (name, record) in self.records(graph) {
                record.check_file(&self.folder.join(name), false)?;
            }
        }
        Ok(())
    }

    /// Measures all graphs of a group, however far their times are spread.
    ///
    /// `after` is called after every round with the number that there are to be.
    ///
    /// Before the `first` group of a process one graph runs that does not count: it brings what all sessions share, which
    /// would else be counted as its memory.
    pub(super) fn measure(
        &self,
        group: &Group<'_>,
        first: bool,
        after: &mut dyn FnMut(usize),
    ) -> Result<Vec<Measurement>> {
        if let Some(graph) = group.0.first().filter(|_| first) {
            self.load(graph)?;
        }
        let loaded = group.0.iter().map(|graph| self.load(graph)).collect::<Result<Vec<_>>>()?;
        let mut time = |place: usize, repeats: usize| {
            self.stop.check()?;
            let Loaded { runner, inputs, .. } = &loaded[place];
            let before = self.energy.and_then(EnergyCounters::read);
            let (done, time) = self.stopwatch.time(|| (0..repeats).try_for_each(|_| runner.run(&[inputs]).map(|_| ())));
            done?;
            let after = self.energy.and_then(EnergyCounters::read);
            let microjoules = self.energy.zip(before.zip(after));
            let microjoules = microjoules.map(|(counters, (before, after))| counters.between(&before, &after));
            Ok(Sample { time, microjoules })
        };
        let times = measure(loaded.len(), self.settings, self.energy.is_some(), &mut time, after)?;
        let mut measurements = Vec::with_capacity(times.len());
        for ((ProbeGraph { probe, form }, times), Loaded { memory, .. }) in group.0.iter().zip(&times).zip(&loaded) {
            let summary = times.summary();
            let graph = self.graph(probe, *form)?;
            measurements.push(Measurement {
                stack: probe.stack,
                part: probe.part,
                variant: form.variant,
                precision: form.precision,
                milliseconds: summary.median,
                spread: summary.spread,
                runs: times.runs(),
                bytes: self.records(graph).map(|(_, record)| record.bytes).sum(),
                memory: *memory,
                millijoules: times.millijoules(),
            });
        }
        Ok(measurements)
    }

    /// Checks a graph, loads it, and runs it once.
    fn load(&self, &ProbeGraph { probe, form }: &ProbeGraph<'_>) -> Result<Loaded> {
        self.stop.check()?;
        let graph = self.graph(probe, form)?;
        let content = GraphFile::in_folder(self.folder, graph, &self.probes.files, self.file, self.check_hashes)?;
        let inputs = inputs(probe, self.probes, self.file)?;
        let before = resident();
        let runner = StageRunner::load(self.sessions, &probe.stage, &content)?;
        runner.run(&[&inputs])?;
        // Memory that an earlier graph gave back tells nothing of this one, and that of the host nothing of a GPU's.
        let memory = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
        let memory = memory.filter(|bytes| *bytes > 0 && self.sessions.provider() == Provider::Cpu);
        Ok(Loaded { runner, inputs, memory })
    }

    fn graph<'p>(&self, probe: &'p Probe, form: Form) -> Result<&'p Graph> {
        probe.stage.graph(form).ok_or_else(|| {
            Error::invalid(self.file, format!("probes.{}.graphs", probe.name()), format!("a graph {form}"), "none")
        })
    }

    /// Names and records of a graph's files.
    fn records<'p>(&'p self, graph: &'p Graph) -> impl Iterator<Item = (&'p str, &'p FileRecord)> {
        graph.files().filter_map(|name| Some((name, self.probes.files.get(name)?)))
    }
}
