//! Embeddings for other programs: a vector database that goes past one machine.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use mmnas_bundle::Error as BundleError;
use ndarray::Array2;
use ndarray_npy::WriteNpyExt as _;
use tempfile::NamedTempFile;

use crate::engine::limits::Limits;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::kind::AnyKind;
use crate::index::states::{StateIndex, without_embedding};

/// How embeddings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingFormat {
    /// NumPy's: f32 `[states, width]`; the keys in the same order beside it, in `NAME.keys.json`.
    Npy,
    /// Parquet: the columns `key` (text) and `embedding` (list of f32).
    #[cfg(feature = "parquet")]
    Parquet,
}

pub(super) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| BundleError::io(path, "write")(source).into()
}

impl StateIndex {
    fn export(&self, out: &Path, format: EmbeddingFormat, limits: &Limits) -> Result<usize> {
        let width = self.joint().ok_or_else(|| without_embedding(self.folder()))?;
        match format {
            EmbeddingFormat::Npy => self.export_npy(out, width, limits)?,
            #[cfg(feature = "parquet")]
            EmbeddingFormat::Parquet => {
                let file = new_file(out)?;
                self.write_parquet(file.as_file(), out, limits)?;
                keep(file, out)?;
            }
        }
        Ok(self.len())
    }

    /// Keys and embeddings, or the error of `limits` where a call has to end.
    pub(super) fn rows(&self, limits: &Limits) -> impl Iterator<Item = Result<(&str, Vec<f32>)>> {
        let row = |key| limits.check().and_then(|()| self.embedding(key)).transpose();
        self.keys().filter_map(move |key| row(key).map(|found| found.map(|row| (key, row))))
    }

    fn export_npy(&self, out: &Path, width: usize, limits: &Limits) -> Result<()> {
        let (mut keys, mut numbers) = (Vec::with_capacity(self.len()), Vec::with_capacity(self.len() * width));
        for row in self.rows(limits) {
            let (key, embedding) = row?;
            keys.push(key);
            numbers.extend(embedding);
        }
        let found = numbers.len();
        let matrix = Array2::from_shape_vec((keys.len(), width), numbers);
        let matrix = matrix.map_err(|_| Error::argument("embeddings", format!("{width} numbers a key"), found))?;
        let beside = out.with_extension("keys.json");
        let (file, keys_file) = (new_file(out)?, new_file(&beside)?);
        let mut writer = BufWriter::new(file.as_file());
        matrix.write_npy(&mut writer).map_err(|e| write_error(out)(std::io::Error::other(e)))?;
        writer.flush().map_err(write_error(out))?;
        drop(writer);
        let json = serde_json::to_vec(&keys).map_err(|e| BundleError::json(&beside, &e))?;
        keys_file.as_file().write_all(&json).map_err(write_error(&beside))?;
        keep(file, out)?;
        keep(keys_file, &beside)
    }
}

/// A file that is not at `path` yet, where nothing may be.
fn new_file(path: &Path) -> Result<NamedTempFile> {
    if path.symlink_metadata().is_ok() {
        return Err(BundleError::Exists { path: path.to_path_buf() }.into());
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private to their owner; what is renamed into place shall be as readable as any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(folder).map_err(write_error(path))
}

fn keep(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_all().map_err(write_error(path))?;
    file.persist_noclobber(path).map(|_| ()).map_err(|e| write_error(path)(e.error))
}

impl<K: AnyKind + ?Sized> Index<K> {
    /// Writes the keys with their embeddings to the new file `out`.
    ///
    /// Gives how many they are.
    ///
    /// It ends at the limits of the model that the index was opened with, and leaves nothing then.
    ///
    /// # Errors
    /// States without embeddings; `out` in the way or not writable; a damaged file; the limits.
    pub fn export_embeddings(&self, out: &Path, format: EmbeddingFormat) -> Result<usize> {
        self.states.export(out, format, self.model.limits())
    }
}
