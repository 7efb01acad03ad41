//! A folder that appears whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::writer_lock::WriterLock;
use crate::files::{remove_unfinished, write_atomically};

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
