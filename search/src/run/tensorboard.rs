//! A run's scalars for TensorBoard, as an events file: TFRecord frames around `Event` messages.
//!
//! The message types are the parts of TensorFlow's `event.proto` and `summary.proto` that scalars
//! need.

use std::io::Write;

use mmnas_bundle::{Error as BundleError, write_atomically};
use prost::Message;

use crate::error::Result;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes as notes;
use crate::run::folder::RunFolder;
use crate::run::searched_blocks::{Block, blocks};

/// Name of the file in a run's folder; TensorBoard knows it by its beginning.
pub const EVENTS: &str = "events.out.tfevents.0.mmnas";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // Optional, so that a zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// A CRC-32C as TFRecord stores it.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Appends a TFRecord frame: length, its CRC, the message, its CRC; little-endian.
fn append_frame(file: &mut Vec<u8>, event: &Event) {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked_crc(&length).to_le_bytes());
    file.extend(&message);
    file.extend(masked_crc(&message).to_le_bytes());
}

fn scalars(record: &EpochRecord, blocks: &[Block]) -> Vec<Value> {
    let mut scalars = vec![
        ("loss".to_owned(), record.loss),
        ("validation".to_owned(), record.validation),
        ("learning_rate".to_owned(), record.learning_rate),
    ];
    for key in ["entropy", "agreement"] {
        scalars.extend(notes::number(record, key).map(|value| (key.to_owned(), value)));
    }
    for key in ["metrics", "shares"] {
        scalars.extend(notes::numbers(record, key).map(|(name, value)| (format!("{key}/{name}"), value)));
    }
    for (block, probabilities) in blocks.iter().zip(notes::probabilities(record).unwrap_or_default()) {
        let block_name = block.name().replace(' ', "_");
        let named = block.operations.iter().zip(probabilities);
        scalars.extend(named.map(|(operation, p)| (format!("alpha/{block_name}/{operation}"), p)));
    }
    let value = |(tag, value): (String, f64)| Value { tag, simple_value: Some(value as f32) };
    scalars.into_iter().map(value).collect()
}

/// The content of the whole file.
///
/// Its times are the training seconds up to each epoch's end, so that the same records give the
/// same bytes.
fn events(records: &[EpochRecord], blocks: &[Block]) -> Vec<u8> {
    let mut file = Vec::new();
    let version = Some("brain.Event:2".to_owned());
    append_frame(&mut file, &Event { wall_time: 0.0, step: 0, file_version: version, summary: None });
    let mut wall_time = 0.0;
    for record in records {
        wall_time += record.seconds;
        let summary = Some(Summary { value: scalars(record, blocks) });
        let step = i64::try_from(record.epoch).unwrap_or(i64::MAX);
        append_frame(&mut file, &Event { wall_time, step, file_version: None, summary });
    }
    file
}

/// Writes the scalars of `records` as [`EVENTS`] into the run's folder.
///
/// These are loss, validation, learning rate, entropy, agreement, metrics, shares of operations,
/// and `alpha/<block>/<operation>`. The step is the epoch.
///
/// The file holds these records and nothing else, whatever was there before. If it already holds
/// the first of them, the others are appended: a TensorBoard that watches keeps the file open. It
/// would not see another file in its place. A frame that a kill cut short is completed by the next
/// call.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if `space.json` cannot be read or does not fit
/// the records, or the events file cannot be written.
pub fn write_events(run: &RunFolder, records: &[EpochRecord]) -> Result<()> {
    let file = run.file(EVENTS);
    let content = events(records, &blocks(run, records)?);
    let known = std::fs::read(&file).ok().filter(|known| !known.is_empty() && content.starts_with(known));
    match known {
        Some(known) => {
            let mut handle =
                std::fs::OpenOptions::new().append(true).open(&file).map_err(BundleError::io(&file, "write"))?;
            handle.write_all(&content[known.len()..]).map_err(BundleError::io(&file, "write"))?;
        }
        None => write_atomically(&file, &content)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c_masked() {
        // The check value of CRC-32C; the mask worked out with another program.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn a_watched_file_grows_and_another_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let file = run.file(EVENTS);
        let record = |epoch: usize, loss: f64| EpochRecord {
            epoch,
            learning_rate: 1e-3,
            loss,
            validation: 0.5,
            seconds: 2.0,
            notes: serde_json::Map::new(),
        };
        let records = [record(0, 3.0), record(1, 2.0), record(2, 1.0)];
        write_events(&run, &records[..1]).unwrap();
        let watched = std::fs::File::open(&file).unwrap();
        write_events(&run, &records).unwrap();
        let whole = std::fs::read(&file).unwrap();
        assert_eq!(whole, events(&records, &[]));
        assert_eq!(watched.metadata().unwrap().len(), whole.len() as u64, "whoever has it open sees it grow");
        // Cut short by a kill, then with other records.
        std::fs::write(&file, &whole[..whole.len() - 9]).unwrap();
        write_events(&run, &records).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), whole);
        let other = [record(0, 3.5)];
        write_events(&run, &other).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), events(&other, &[]));
    }
}
