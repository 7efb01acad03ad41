//! Files in memory without reading them.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::{Mmap, MmapOptions};

use crate::error::{Error, Result};

/// The first `length` bytes of `file`, which has them; `path` names it in errors.
pub(super) fn map(file: &File, length: u64, path: &Path) -> Result<Option<Mmap>> {
    // The system maps nothing of no length.
    if length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| Error::read(path)(std::io::ErrorKind::OutOfMemory.into()))?;
    // SAFETY: the bytes of a mapping must not change. Those of an index that were committed never do: writers append after
    // them, and compaction writes other files. What another program does to the file is beyond what we can promise, as for
    // every mapped file; all that is read from it is checked.
    let mapped = unsafe { MmapOptions::new().len(length).map(file) };
    mapped.map(Some).map_err(Error::read(path))
}
