//! Reading with limits, and writing that never leaves half a file.

pub(crate) mod file_record;
pub(crate) mod new_folder;
pub(crate) mod text_file;
pub(crate) mod writer_lock;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::text_file::decoded;

/// Most bytes of a file that is read whole.
///
/// Protobuf, and so ONNX, ends at 2 GiB.
pub(crate) const MAX_FILE_BYTES: u64 = 2 << 30;
/// No file of text (tokenizer, labels) is larger.
pub(crate) const MAX_TEXT_FILE_BYTES: u64 = 64 << 20;

/// Opens a regular file; returns its length too.
pub(crate) fn open(file: &Path) -> Result<(File, u64)> {
    // Asked before opening: opening a pipe that nobody writes to would wait for ever.
    let meta = file.metadata().map_err(Error::io(file, "read"))?;
    if !meta.is_file() {
        return Err(Error::invalid(file, "(file)", "a regular file", "a folder or device"));
    }
    let handle = File::open(file).map_err(Error::io(file, "read"))?;
    let length = handle.metadata().map_err(Error::io(file, "read"))?.len();
    Ok((handle, length))
}

pub(super) fn read_open(handle: File, file: &Path, len: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    // A file can claim more than there is memory: that is an error, and not the end of the process.
    let reserved = usize::try_from(len).map_err(|_| ()).and_then(|len| content.try_reserve_exact(len).map_err(|_| ()));
    reserved.map_err(|()| Error::io(file, "read")(std::io::ErrorKind::OutOfMemory.into()))?;
    handle.take(len).read_to_end(&mut content).map_err(Error::io(file, "read"))?;
    Ok(content)
}

/// Reads a text file of at most `limit` bytes, without a byte order mark.
pub(crate) fn read_text(file: &Path, limit: u64) -> Result<String> {
    let (handle, len) = open(file)?;
    if len > limit {
        return Err(Error::invalid(file, "(length)", format!("at most {limit} bytes"), format!("{len} bytes")));
    }
    decoded(read_open(handle, file, len)?, file)
}

/// `name` inside `folder`, or an error where it would leave it.
///
/// `manifest` and `field` name the place in the error.
pub(crate) fn inside(folder: &Path, name: &str, manifest: &Path, field: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    let plain = !name.is_empty() && path.components().all(|c| matches!(c, Component::Normal(_)));
    if !plain || name.contains('\\') || name.contains('\0') {
        return Err(Error::invalid(manifest, field, "a relative path inside the bundle", format!("{name:?}")));
    }
    Ok(folder.join(path))
}

/// Beginning of the names of files until they are complete.
///
/// What a process that was killed leaves behind begins so.
const UNFINISHED: &str = ".mmnas-unfinished-";

/// Whether a file of this name is one that [`write_atomically`] has not finished.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

/// Removes from `folder` what processes that were killed left of files that [`write_atomically`] was writing.
///
/// Only for a folder that nobody else writes to now.
pub fn remove_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_unfinished(&entry.file_name().to_string_lossy())) {
        // What cannot be removed does no harm.
        let _ = fs::remove_file(entry.path());
    }
}

/// Writes `content` to `file` so that no reader sees a part of it.
///
/// It is written to a temporary file beside `file`, synced and renamed into place: a reader or a crash sees the old
/// file or the new one.
///
/// # Errors
/// A folder that cannot be written to.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(Error::io(file, "write"))?;
    temporary.write_all(content).map_err(Error::io(file, "write"))?;
    temporary.as_file().sync_all().map_err(Error::io(file, "write"))?;
    set_readable(temporary.as_file()).map_err(Error::io(file, "write"))?;
    temporary.persist(file).map_err(|e| Error::io(file, "write")(e.error))?;
    sync_folder(folder);
    Ok(())
}

/// Waits until a folder's new names are on the disk too.
///
/// Where the system cannot, they come there in its own time.
fn sync_folder(folder: &Path) {
    // Some systems open no folders.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Temporary files are private to their owner.
///
/// What is renamed into place shall be as readable as any other file.
#[cfg(unix)]
fn set_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_readable(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        let folder = Path::new("bundle");
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "./x", "a\\b", "a\0b"] {
            assert!(inside(folder, bad, Path::new("m"), "f").is_err(), "{bad:?}");
        }
        assert_eq!(inside(folder, "a/b.onnx", Path::new("m"), "f").unwrap(), folder.join("a/b.onnx"));
    }
}
