//! Which files this process has mapped (Linux; nothing is known elsewhere).

use std::path::{Path, PathBuf};

fn maps() -> Option<String> {
    std::fs::read_to_string("/proc/self/maps").ok()
}

/// A line of the system's table: `start-end permissions offset device inode path`.
fn parse(line: &str) -> Option<(usize, usize, &Path)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let path = &rest[rest.find('/')?..];
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?, Path::new(path)))
}

fn file_at(maps: &str, address: usize) -> Option<PathBuf> {
    let holds = |(start, end, _): &(usize, usize, &Path)| (*start..*end).contains(&address);
    maps.lines().filter_map(parse).find(holds).map(|(_, _, path)| path.to_path_buf())
}

fn file_named(maps: &str, prefix: &str) -> Option<PathBuf> {
    let is_named = |path: &&Path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix));
    maps.lines().filter_map(parse).map(|(_, _, path)| path).find(is_named).map(Path::to_path_buf)
}

/// The file that holds this crate's code: the program or a shared library.
pub(super) fn own_file() -> Option<PathBuf> {
    file_at(&maps()?, own_file as *const () as usize)
}

/// Whether `file`, a path without links, is mapped; true where the system does not tell.
pub(super) fn holds(file: &Path) -> bool {
    maps().is_none_or(|maps| maps.lines().filter_map(parse).any(|(_, _, path)| path == file))
}

/// The first mapped file whose name starts with `prefix`.
pub(super) fn named(prefix: &str) -> Option<PathBuf> {
    file_named(&maps()?, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "55d0-55e0 r--p 00000000 08:01 42                         /opt/my app/bin/host\n\
                        7f00-7f80 r--p 00000000 08:01 43                         /opt/lib/libx.so.1\n\
                        7f80-7fa0 r-xp 00080000 08:01 43                         /opt/lib/libx.so.1\n\
                        7fb0-7fc0 rw-p 00000000 00:00 0                          [heap]\n\
                        7fd0-7fe0 rw-p 00000000 00:00 0\n";

    #[test]
    fn an_address_belongs_to_the_file_around_it() {
        assert_eq!(file_at(MAPS, 0x7f90), Some("/opt/lib/libx.so.1".into()));
        assert_eq!(file_at(MAPS, 0x55d0), Some("/opt/my app/bin/host".into()));
        assert_eq!(file_at(MAPS, 0x55e0), None);
        assert_eq!(file_at(MAPS, 0x7fb1), None);
    }

    #[test]
    fn a_library_is_found_by_its_name() {
        assert_eq!(file_named(MAPS, "libx.so"), Some("/opt/lib/libx.so.1".into()));
        assert_eq!(file_named(MAPS, "liby"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_test_runs_from_the_test_program() {
        assert_eq!(own_file().unwrap(), std::env::current_exe().unwrap());
    }
}
