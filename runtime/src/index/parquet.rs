//! Keys and embeddings as a Parquet file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::engine::limits::Limits;
use crate::error::Result;
use crate::index::export::write_error;
use crate::index::states::StateIndex;

/// Rows of a row group.
const ROWS: usize = 1 << 14;

impl StateIndex {
    pub(super) fn write_parquet(&self, file: &File, out: &Path, limits: &Limits) -> Result<()> {
        let failed = |e: parquet::errors::ParquetError| write_error(out)(std::io::Error::other(e));
        let schema = Arc::new(schema().map_err(failed)?);
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(BufWriter::new(file), schema, properties).map_err(failed)?;
        let mut rows = self.rows(limits).peekable();
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
