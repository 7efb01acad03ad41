//! Memory that this process holds.

/// Bytes of this process's memory that are resident, where the system tells them.
pub(super) fn resident() -> Option<u64> {
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Resident bytes in the text of `/proc/self/status`.
///
/// `/proc/self/statm` counts pages, whose size differs from system to system.
fn resident_of(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_of("Name:\tmmnas\nVmHWM:\t    9 kB\nVmRSS:\t   5120 kB\n"), Some(5 << 20));
        assert_eq!(resident_of("Name:\tmmnas\n"), None);
        assert_eq!(resident_of("VmRSS:\t many kB\n"), None);
    }
}
