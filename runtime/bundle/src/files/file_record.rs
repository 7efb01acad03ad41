//! Size and hash of a file: what a manifest records, and whether a file still has them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::files::{open, read_open};

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

/// Opens a regular file, which must have this length.
fn open_exactly(file: &Path, bytes: u64) -> Result<File> {
    let (handle, found) = open(file)?;
    if found != bytes {
        return Err(Error::invalid(file, "(length)", format!("{bytes} bytes"), format!("{found} bytes")));
    }
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_nothing_is_the_known_one() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
