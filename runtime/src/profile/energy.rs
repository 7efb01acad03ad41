//! Energy that processors count themselves: Linux's powercap (RAPL).

use std::path::{Path, PathBuf};

/// Where Linux has the counters.
pub(super) const FOLDER: &str = "/sys/class/powercap";

/// A counter of one processor package, in microjoules.
#[derive(Debug)]
struct Counter {
    file: PathBuf,
    /// It begins again at 0 beyond this.
    range: u64,
}

impl Counter {
    fn read(&self) -> Option<u64> {
        number(&self.file)
    }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The counters of all processor packages of this machine.
///
/// They count all that the machine does meanwhile, idle power too. They move about once a millisecond.
#[derive(Debug)]
pub(super) struct EnergyCounters {
    counters: Vec<Counter>,
}

/// What the counters show at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading(Vec<u64>);

impl EnergyCounters {
    /// The counters in `folder`, where there are any and all of them can be read.
    ///
    /// Zones of a package's parts, and of the whole platform, would count what packages count again.
    pub(super) fn open(folder: &Path) -> Option<EnergyCounters> {
        let zones = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        let is_package = |zone: &PathBuf| {
            let number = zone.file_name().and_then(|name| name.to_str()?.strip_prefix("intel-rapl:"));
            let name = std::fs::read_to_string(zone.join("name"));
            number.is_some_and(|number| !number.contains(':')) && name.is_ok_and(|name| name.starts_with("package"))
        };
        let mut counters = Vec::new();
        for zone in zones.filter(is_package) {
            let counter = Counter { file: zone.join("energy_uj"), range: number(&zone.join("max_energy_range_uj"))? };
            counter.read()?;
            counters.push(counter);
        }
        (!counters.is_empty()).then_some(EnergyCounters { counters })
    }

    /// What the counters show; none where one cannot be read any more.
    pub(super) fn read(&self) -> Option<Reading> {
        self.counters.iter().map(Counter::read).collect::<Option<_>>().map(Reading)
    }

    /// Microjoules between two readings, less than a turn of the counters apart.
    pub(super) fn between(&self, before: &Reading, after: &Reading) -> u64 {
        let pairs = self.counters.iter().zip(before.0.iter().zip(&after.0));
        let used = |(counter, (&before, &after)): (&Counter, (&u64, &u64))| match after.checked_sub(before) {
            Some(used) => used,
            None => counter.range.saturating_sub(before).saturating_add(after),
        };
        pairs.map(used).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A zone of powercap as files.
    pub(in crate::profile) fn zone(folder: &Path, zone: &str, name: &str, energy: &str) {
        let zone = folder.join(zone);
        std::fs::create_dir_all(&zone).unwrap();
        for (file, content) in [("name", name), ("energy_uj", energy), ("max_energy_range_uj", "1000000")] {
            std::fs::write(zone.join(file), format!("{content}\n")).unwrap();
        }
    }

    #[test]
    fn packages_are_summed_and_their_turns_counted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        zone(folder, "intel-rapl:0", "package-0", "100");
        zone(folder, "intel-rapl:1", "package-1", "999000");
        // Parts of a package, the platform, and what is no zone.
        zone(folder, "intel-rapl:0:0", "core", "50");
        zone(folder, "intel-rapl:2", "psys", "70");
        std::fs::create_dir(folder.join("intel-rapl")).unwrap();
        let counters = EnergyCounters::open(folder).unwrap();
        assert_eq!(counters.counters.len(), 2);
        let before = counters.read().unwrap();
        zone(folder, "intel-rapl:0", "package-0", "350");
        zone(folder, "intel-rapl:0:0", "core", "5000");
        // 1,000 to the end, and 40 from the beginning.
        zone(folder, "intel-rapl:1", "package-1", "40");
        let after = counters.read().unwrap();
        assert_eq!(counters.between(&before, &after), 250 + 1040);
        assert_eq!(counters.between(&after, &after), 0);
        std::fs::remove_file(folder.join("intel-rapl:0/energy_uj")).unwrap();
        assert!(counters.read().is_none());
    }

    #[test]
    fn counters_that_cannot_be_read_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(EnergyCounters::open(&folder.join("none")).is_none());
        assert!(EnergyCounters::open(folder).is_none());
        zone(folder, "intel-rapl:0", "package-0", "100");
        assert!(EnergyCounters::open(folder).is_some());
        for (file, content) in [("energy_uj", "many"), ("energy_uj", ""), ("max_energy_range_uj", "-1")] {
            zone(folder, "intel-rapl:0", "package-0", "100");
            std::fs::write(folder.join("intel-rapl:0").join(file), content).unwrap();
            assert!(EnergyCounters::open(folder).is_none(), "{file} {content:?}");
        }
    }
}
