//! Reading with limits, hashing, and writing that never leaves half a file.

pub(crate) mod text_file;
pub(crate) mod writer_lock;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::files::text_file::decoded;
use crate::files::writer_lock::WriterLock;

/// Size and hash of a file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl FileRecord {
    /// The record of `content`.
    pub fn of(content: &[u8]) -> FileRecord {
        FileRecord { bytes: content.len() as u64, sha256: sha256_hex(content) }
    }

    /// Checks the length of `file` and, with `check_hash`, its hash, without holding it.
    ///
    /// # Errors
    /// A file that cannot be read; another length or hash.
    pub fn check_file(&self, file: &Path, check_hash: bool) -> Result<()> {
        open_exactly(file, self.bytes)?;
        self.compare(file, if check_hash { Some(sha256_of_file(file)?) } else { None })
    }

    /// Checks the length of `content` and, with `check_hash`, its hash; `file` names it in errors.
    pub(crate) fn check_content(&self, file: &Path, content: &[u8], check_hash: bool) -> Result<()> {
        if content.len() as u64 != self.bytes {
            let (expected, found) = (format!("{} bytes", self.bytes), format!("{} bytes", content.len()));
            return Err(Error::invalid(file, "(length)", expected, found));
        }
        self.compare(file, check_hash.then(|| sha256_hex(content)))
    }

    fn compare(&self, file: &Path, found: Option<String>) -> Result<()> {
        match found {
            Some(found) if found != self.sha256 => {
                Err(Error::Hash { file: file.to_path_buf(), expected: self.sha256.clone(), found })
            }
            _ => Ok(()),
        }
    }

    /// Reads `file` whole, at most `limit` bytes, and checks it.
    ///
    /// Its length is checked before and its hash after; `check_hash` turns the latter off.
    ///
    /// # Errors
    /// A file that cannot be read; another length or hash; more than `limit` bytes.
    pub fn read_checked(&self, file: &Path, check_hash: bool, limit: u64) -> Result<Vec<u8>> {
        if self.bytes > limit {
            return Err(Error::invalid(
                file,
                "(length)",
                format!("at most {limit} bytes"),
                format!("{} bytes", self.bytes),
            ));
        }
        let content = read_open(open_exactly(file, self.bytes)?, file, self.bytes)?;
        self.compare(file, check_hash.then(|| sha256_hex(&content)))?;
        Ok(content)
    }
}

/// Most bytes of a file that is read whole.
///
/// Protobuf, and so ONNX, ends at 2 GiB.
pub(crate) const MAX_FILE_BYTES: u64 = 2 << 30;
/// No file of text (tokenizer, labels) is larger.
pub(crate) const MAX_TEXT_FILE_BYTES: u64 = 64 << 20;

/// SHA-256 of `content` in lower-case hexadecimal.
pub fn sha256_hex(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// SHA-256 of a file of any size, in lower-case hexadecimal.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256_of_file(file: &Path) -> Result<String> {
    let mut reader = open(file)?.0;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut buffer).map_err(Error::io(file, "read"))? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

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

/// Opens a regular file, which must have this length.
fn open_exactly(file: &Path, bytes: u64) -> Result<File> {
    let (handle, found) = open(file)?;
    if found != bytes {
        return Err(Error::invalid(file, "(length)", format!("{bytes} bytes"), format!("{found} bytes")));
    }
    Ok(handle)
}

fn read_open(handle: File, file: &Path, len: u64) -> Result<Vec<u8>> {
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

/// A new folder that appears under its name only when it is complete.
///
/// Until then it is written beside its place, as `.NAME.partial`. What a process that was killed left there is removed
/// by the next one that writes the same folder.
#[derive(Debug)]
pub struct NewFolder {
    work: PathBuf,
    target: PathBuf,
    /// Whether what is there stays for the next one, if it does not become whole.
    keep: bool,
    // Held while the folder is written; the system frees it when the process ends, however it ends.
    _lock: WriterLock,
}

/// The file in an unfinished folder that its writer holds locked.
const LOCK: &str = ".lock";
/// The file in an unfinished folder that says what it is to be.
///
/// A folder that has it may be resumed.
const WHAT: &str = ".what";

impl NewFolder {
    /// Starts the folder `target`, which must not exist yet.
    ///
    /// # Errors
    /// [`Error::Exists`] if the folder is there; [`Error::Busy`] if another writes it; a parent that cannot be written
    /// to.
    pub fn create(target: &Path) -> Result<NewFolder> {
        NewFolder::begin(target, None)
    }

    /// Resumes the unfinished folder `target`, if it was begun for the same `what`.
    ///
    /// Else as [`NewFolder::create`].
    ///
    /// # Errors
    /// As [`NewFolder::create`].
    pub fn resume(target: &Path, what: &str) -> Result<NewFolder> {
        NewFolder::begin(target, Some(what))
    }

    fn begin(target: &Path, what: Option<&str>) -> Result<NewFolder> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: target.to_path_buf() });
        }
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name =
            target.file_name().ok_or_else(|| Error::invalid(target, "(path)", "the name of a new folder", "none"))?;
        fs::create_dir_all(parent).map_err(Error::io(parent, "create"))?;
        let work = parent.join(format!(".{}.partial", name.to_string_lossy()));
        if let Ok(left) = File::open(work.join(LOCK)) {
            let left = WriterLock::take(left, &work.join(LOCK), target)?;
            let begun = fs::read_to_string(work.join(WHAT)).ok();
            if what.is_some() && begun.as_deref() == what {
                remove_unfinished(&work);
                return Ok(NewFolder { work, target: target.to_path_buf(), keep: true, _lock: left });
            }
            fs::remove_dir_all(&work).map_err(Error::io(&work, "remove"))?;
        } else if work.symlink_metadata().is_ok() {
            // Without our mark it is only ours if it is empty: left between making the folder and marking it.
            fs::remove_dir(&work).map_err(|_| Error::Exists { path: work.clone() })?;
        }
        fs::create_dir(&work).map_err(Error::io(&work, "create"))?;
        let lock = File::create(work.join(LOCK)).map_err(Error::io(&work, "create"))?;
        let lock = WriterLock::take(lock, &work.join(LOCK), target)?;
        if let Some(what) = what {
            write_atomically(&work.join(WHAT), what.as_bytes())?;
        }
        Ok(NewFolder { work, target: target.to_path_buf(), keep: what.is_some(), _lock: lock })
    }

    /// Where to write until [`NewFolder::finish`].
    pub fn path(&self) -> &Path {
        &self.work
    }

    /// Renames the folder into place.
    ///
    /// # Errors
    /// [`Error::Exists`] if the folder has appeared meanwhile; a parent that cannot be written to.
    pub fn finish(self) -> Result<()> {
        if self.target.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: self.target.clone() });
        }
        if self.keep {
            fs::remove_file(self.work.join(WHAT)).map_err(Error::io(&self.work, "write"))?;
        }
        fs::remove_file(self.work.join(LOCK)).map_err(Error::io(&self.work, "write"))?;
        fs::rename(&self.work, &self.target).map_err(Error::io(&self.target, "create"))
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // After `finish` nothing lies here.
        if !self.keep {
            let _ = fs::remove_dir_all(&self.work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Writer;

    #[test]
    fn names_stay_inside_the_folder() {
        let folder = Path::new("bundle");
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "./x", "a\\b", "a\0b"] {
            assert!(inside(folder, bad, Path::new("m"), "f").is_err(), "{bad:?}");
        }
        assert_eq!(inside(folder, "a/b.onnx", Path::new("m"), "f").unwrap(), folder.join("a/b.onnx"));
    }

    #[test]
    fn sha256_of_nothing_is_the_known_one() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_new_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("new");
        let names = || -> Vec<String> {
            fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
        };
        let given_up = NewFolder::create(&target).unwrap();
        assert!(matches!(NewFolder::create(&target).unwrap_err(), Error::Busy { by: Writer::ThisProcess, .. }));
        drop(given_up);
        assert!(names().is_empty());
        // What a killed process leaves: the folder, its lock free.
        fs::create_dir(root.path().join(".new.partial")).unwrap();
        fs::write(root.path().join(".new.partial/.lock"), "").unwrap();
        fs::write(root.path().join(".new.partial/half"), "half").unwrap();
        let folder = NewFolder::create(&target).unwrap();
        fs::write(folder.path().join("whole"), "whole").unwrap();
        folder.finish().unwrap();
        assert_eq!(names(), ["new"]);
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let error = NewFolder::create(root.path()).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }));
    }
}
