//! The machine that this process runs on.

/// What the system tells of its processors; empty where it tells nothing.
pub(crate) fn cpuinfo() -> String {
    std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

/// The processor's name in the text of `/proc/cpuinfo`, else the architecture's.
pub(crate) fn processor(cpuinfo: &str) -> &str {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name));
    name.map_or(std::env::consts::ARCH, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_a_name_is_called_by_its_architecture() {
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: Other\n"),
            "Some CPU @ 2.0GHz"
        );
        assert_eq!(processor("processor\t: 0\nFeatures\t: fp asimd\n"), std::env::consts::ARCH);
    }
}
