//! Looks at a library's file before the system's loader does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The version's name lies in the dynamic strings, near the start of the file.
const START_BYTES: u64 = 1 << 20;

fn start(file: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let handle = File::open(file)?;
    let length = handle.metadata()?.len();
    let mut content = Vec::new();
    handle.take(START_BYTES).read_to_end(&mut content)?;
    Ok((content, length))
}

/// Refuses what the loader would hang or crash on.
///
/// That is a pipe, and a library that was cut: the loader maps it, and the first touch of a missing page ends the
/// process.
pub(super) fn check(file: &Path) -> Result<(), String> {
    // Opening a pipe blocks until somebody writes, so ask before opening.
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("not a regular file".to_owned());
    }
    let (content, length) = start(file).map_err(|e| e.to_string())?;
    match end_of_segments(&content) {
        Some(end) if end > length => Err(format!("the file is cut: {length} bytes of at least {end}")),
        _ => Ok(()),
    }
}

/// Where the last segment of a 64-bit little-endian ELF file ends.
///
/// `None` for other files, which the loader refuses or knows better.
fn end_of_segments(content: &[u8]) -> Option<u64> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(*content.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(*content.get(at..)?.first_chunk()?));
    if !content.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, entry, count) = (usize::try_from(u64_at(32)?).ok()?, usize::from(u16_at(54)?), u16_at(56)?);
    let mut end = 0;
    for k in 0..usize::from(count) {
        let at = table.checked_add(k * entry)?;
        // A table that reaches past what was read counts as cut too: no real library has one.
        let (offset, size) = match (u64_at(at.checked_add(8)?), u64_at(at.checked_add(32)?)) {
            (Some(offset), Some(size)) => (offset, size),
            _ => return Some(u64::MAX),
        };
        end = end.max(offset.saturating_add(size));
    }
    Some(end)
}

/// The version of an ONNX Runtime library, from the name of its symbols' version (`VERS_1.28.0`).
pub(super) fn version(file: &Path) -> Option<String> {
    let (content, _) = start(file).ok()?;
    find_version(&content)
}

fn find_version(content: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"\0VERS_";
    let at = content.windows(MARK.len()).position(|w| w == MARK)? + MARK.len();
    let version = content[at..].split(|&b| b == 0).next()?;
    let plain = !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    plain.then(|| String::from_utf8_lossy(version).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_name_of_the_symbols_version() {
        assert_eq!(find_version(b"abc\0VERS_1.28.0\0OrtGetApiBase\0").as_deref(), Some("1.28.0"));
        assert_eq!(find_version(b"abc\0VERS_x\0"), None);
        assert_eq!(find_version(b"VERS_"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_cut_library_is_seen_and_a_whole_one_passes() {
        let whole = std::env::current_exe().unwrap();
        assert_eq!(check(&whole), Ok(()));
        let content = std::fs::read(&whole).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.so");
        // Debug information lies behind the segments: half of the file may hold all of them.
        let end = usize::try_from(end_of_segments(&content).unwrap()).unwrap();
        for keep in [60, 100, 4096, end / 2, end - 1] {
            std::fs::write(&cut, &content[..keep]).unwrap();
            assert!(check(&cut).is_err(), "{keep}");
        }
        assert!(check(folder.path()).unwrap_err().contains("regular"));
    }
}
