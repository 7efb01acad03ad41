//! One writer at a time, and who it is where it is another.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result, Writer};

/// The lock files that this process holds.
///
/// The system tells that a file is locked, and not by whom.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn held() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A locked file. The lock ends with it, and with the process, however that ends.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Locks `file`, which lies at `path`, for whoever writes `output`.
    ///
    /// # Errors
    /// [`Error::Busy`] where it is locked already; a file system that knows no locks.
    pub fn take(file: File, path: &Path, output: &Path) -> Result<WriterLock> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        // Until the lock is noted, so that no other thread sees one without the other.
        let mut held = held();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let by = if held.contains(&path) { Writer::ThisProcess } else { Writer::AnotherProcess };
                return Err(Error::Busy { path: output.to_path_buf(), by });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, "lock")(error)),
        }
        held.insert(path.clone());
        Ok(WriterLock { file, path })
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let mut held = held();
        held.remove(&self.path);
        // Closing the file, which follows, unlocks it in any case.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::files::new_folder::NewFolder;

    /// Where the child of the test below is told what to write.
    const TARGET: &str = "MMNAS_TEST_WRITES";

    fn writer_of(target: &Path) -> Option<Writer> {
        match NewFolder::create(target) {
            Err(Error::Busy { by, path }) => {
                assert_eq!(path, target);
                Some(by)
            }
            other => other.map(|_| None).unwrap(),
        }
    }

    #[test]
    fn a_second_writer_is_told_who_the_first_one_is() {
        // As the child: it writes until it is told to end.
        if let Some(target) = std::env::var_os(TARGET) {
            let _folder = NewFolder::create(Path::new(&target)).unwrap();
            println!("\nwrites");
            std::io::stdout().flush().unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("new");
        let first = NewFolder::create(&target).unwrap();
        assert_eq!(writer_of(&target), Some(Writer::ThisProcess));
        // By another name of the same folder too.
        let other = root.path().join(".").join("..").join(root.path().file_name().unwrap()).join("new");
        assert_eq!(writer_of(&other), Some(Writer::ThisProcess));
        drop(first);
        assert_eq!(writer_of(&target), None);

        let name = "files::writer_lock::tests::a_second_writer_is_told_who_the_first_one_is";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture"]).env(TARGET, &target);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        assert!(lines.any(|line| line == "writes"), "the child does not write");
        assert_eq!(writer_of(&target), Some(Writer::AnotherProcess));
        drop(child.stdin.take());
        // Read to its end: a child whose output nobody takes does not end well.
        lines.for_each(drop);
        assert!(child.wait().unwrap().success());
        assert_eq!(writer_of(&target), None);
    }

    #[test]
    fn a_message_says_who() {
        let message = |by| Error::Busy { path: "x".into(), by }.to_string();
        assert_eq!(message(Writer::ThisProcess), "x: is being written by this process itself");
        assert_eq!(message(Writer::AnotherProcess), "x: is being written by another process");
    }
}
