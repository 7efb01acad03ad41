//! `index.json`: what an index is and how much of its files counts.

use std::path::Path;

use mmnas_bundle::manifest::{Dim, TensorSpec};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// File name of the header in an index's folder.
pub(super) const HEADER: &str = "index.json";
/// Name of the format.
pub(super) const FORMAT: &str = "mmnas-index";
/// The major version that is written and the newest that is read.
pub(super) const MAJOR: u32 = 1;
/// No header is larger.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// What an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexKind {
    /// States of images.
    Image,
    /// States of texts.
    Text,
}

impl IndexKind {
    /// What the index in `folder` holds.
    ///
    /// # Errors
    /// A folder that is no index, or one of a later major version.
    pub fn of(folder: &Path) -> Result<IndexKind> {
        Ok(Header::read(folder)?.kind)
    }
}

impl std::fmt::Display for IndexKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IndexKind::Image => "image",
            IndexKind::Text => "text",
        })
    }
}

/// A tensor of every state, in 16-bit floats.
///
/// Its first dimension is the batch, which is 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredTensor {
    pub name: String,
    /// Sizes after the first; names are the number of regions or words of the state.
    pub shape: Vec<Dim>,
}

impl StoredTensor {
    pub(super) fn of(spec: &TensorSpec) -> StoredTensor {
        StoredTensor { name: spec.name.clone(), shape: spec.shape.iter().skip(1).cloned().collect() }
    }

    /// Sizes for a state of `count` regions or words.
    pub(super) fn sizes(&self, count: usize) -> Vec<usize> {
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => *size,
            Dim::Named(_) => count,
        };
        std::iter::once(1).chain(self.shape.iter().map(size)).collect()
    }

    /// Numbers in a state of `count` regions or words.
    ///
    /// None where they are more than memory counts.
    pub(super) fn numbers(&self, count: usize) -> Option<usize> {
        self.sizes(count).iter().try_fold(1usize, |product, &size| product.checked_mul(size))
    }
}

/// The header, written anew by every commit.
///
/// What of the files lies beyond the lengths that it says was never committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub format: String,
    pub major: u32,
    pub minor: u32,
    pub kind: IndexKind,
    /// Which model's states these are.
    pub model: String,
    pub tensors: Vec<StoredTensor>,
    /// Number of the files: `states.N`, `keys.N`.
    pub generation: u64,
    /// Bytes of the states' file that count.
    pub state_bytes: u64,
    /// Bytes of the keys' file that count.
    pub key_bytes: u64,
}

impl Header {
    /// Reads and checks the header in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Header> {
        let file = folder.join(HEADER);
        let meta = file.metadata().map_err(Error::read(&file))?;
        // Reading a pipe that nobody writes to would wait for ever.
        if !meta.is_file() {
            return Err(Error::invalid(&file, "(file)", "a regular file", "a folder or device"));
        }
        let length = meta.len();
        if length > MAX_HEADER_BYTES {
            return Err(Error::invalid(&file, "(length)", format!("at most {MAX_HEADER_BYTES} bytes"), length));
        }
        let text = std::fs::read(&file).map_err(Error::read(&file))?;
        #[derive(Deserialize)]
        struct Version {
            format: String,
            major: u32,
            minor: u32,
        }
        let json = |e: serde_json::Error| Error::from(mmnas_bundle::Error::json(&file, &e));
        let version: Version = serde_json::from_slice(&text).map_err(json)?;
        if version.format != FORMAT {
            return Err(Error::invalid(&file, "format", format!("{FORMAT:?}"), format!("{:?}", version.format)));
        }
        if version.major != MAJOR {
            let found = format!("{}.{}", version.major, version.minor);
            return Err(mmnas_bundle::Error::FutureVersion { file, found, supported: MAJOR }.into());
        }
        serde_json::from_slice(&text).map_err(json)
    }

    /// Puts the header in its place, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(HEADER);
        let text = serde_json::to_vec_pretty(self).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(mmnas_bundle::write_atomically(&file, &text)?)
    }
}
