//! Embeddings for other programs: a vector database that goes past one machine.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use mmnas_bundle::Error as BundleError;
use ndarray::Array2;
use ndarray_npy::WriteNpyExt as _;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use tempfile::NamedTempFile;

use super::states::StateIndex;
use super::{ImageIndex, TextIndex, without_embedding};
use crate::{Error, Result};

/// Rows of a row group.
const ROWS: usize = 1 << 14;

/// How embeddings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingFormat {
    /// NumPy's: f32 `[states, width]`; the keys in the same order beside it, in `NAME.keys.json`.
    Npy,
    /// Parquet: the columns `key` (text) and `embedding` (list of f32).
    Parquet,
}

fn write_error(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| BundleError::io(path, "write")(source).into()
}

impl StateIndex {
    fn export(&self, out: &Path, format: EmbeddingFormat) -> Result<usize> {
        let width = self.joint().ok_or_else(|| without_embedding(self.folder()))?;
        match format {
            EmbeddingFormat::Npy => self.export_npy(out, width)?,
            EmbeddingFormat::Parquet => {
                let file = new_file(out)?;
                self.write_parquet(file.as_file(), out)?;
                keep(file, out)?;
            }
        }
        Ok(self.len())
    }

    fn rows(&self) -> impl Iterator<Item = Result<(&str, Vec<f32>)>> {
        self.keys().filter_map(|key| self.embedding(key).transpose().map(|found| found.map(|row| (key, row))))
    }

    fn export_npy(&self, out: &Path, width: usize) -> Result<()> {
        let (mut keys, mut numbers) = (Vec::with_capacity(self.len()), Vec::with_capacity(self.len() * width));
        for row in self.rows() {
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

    fn write_parquet(&self, file: &File, out: &Path) -> Result<()> {
        let failed = |e: parquet::errors::ParquetError| write_error(out)(std::io::Error::other(e));
        let schema = Arc::new(schema().map_err(failed)?);
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(BufWriter::new(file), schema, properties).map_err(failed)?;
        let mut rows = self.rows().peekable();
        while rows.peek().is_some() {
            let (mut keys, mut numbers, mut levels) = (Vec::new(), Vec::new(), Vec::new());
            for row in rows.by_ref().take(ROWS) {
                let (key, embedding) = row?;
                keys.push(ByteArray::from(key));
                // A list begins where this is 0 and goes on where it is 1.
                levels.extend((0..embedding.len()).map(|k| i16::from(k > 0)));
                numbers.extend(embedding);
            }
            let present = vec![1i16; numbers.len()];
            let mut group = writer.next_row_group().map_err(failed)?;
            if let Some(mut column) = group.next_column().map_err(failed)? {
                column.typed::<ByteArrayType>().write_batch(&keys, None, None).map_err(failed)?;
                column.close().map_err(failed)?;
            }
            if let Some(mut column) = group.next_column().map_err(failed)? {
                let values = column.typed::<FloatType>();
                values.write_batch(&numbers, Some(&present), Some(&levels)).map_err(failed)?;
                column.close().map_err(failed)?;
            }
            group.close().map_err(failed)?;
        }
        writer.close().map(|_| ()).map_err(failed)
    }
}

/// `key` (text) and `embedding` (list of f32), as the format's specification writes lists.
fn schema() -> parquet::errors::Result<Type> {
    let key = Type::primitive_type_builder("key", Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let element =
        Type::primitive_type_builder("element", Physical::FLOAT).with_repetition(Repetition::REQUIRED).build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    let embedding = Type::group_type_builder("embedding")
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()?;
    Type::group_type_builder("embeddings").with_fields(vec![Arc::new(key), Arc::new(embedding)]).build()
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

impl ImageIndex {
    /// Writes the keys with their embeddings to the new file `out`; gives how many they are.
    ///
    /// # Errors
    /// States without embeddings; `out` in the way or not writable; a damaged file.
    pub fn export_embeddings(&self, out: &Path, format: EmbeddingFormat) -> Result<usize> {
        self.states.export(out, format)
    }
}

impl TextIndex {
    /// As [`ImageIndex::export_embeddings`].
    ///
    /// # Errors
    /// As [`ImageIndex::export_embeddings`].
    pub fn export_embeddings(&self, out: &Path, format: EmbeddingFormat) -> Result<usize> {
        self.states.export(out, format)
    }
}
