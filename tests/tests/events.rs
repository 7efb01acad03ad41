//! The events file for TensorBoard, read back by a reader that shares nothing with the writer: frames, bitwise CRC-32C,
//! protobuf by hand.

use std::collections::BTreeMap;

use mmnas_search::run::tensorboard::{EVENTS, write_events};
use mmnas_search::{EpochRecord, RunFolder};

/// CRC-32C bit by bit (reflected polynomial 0x82f63b78), masked as TFRecord does.
fn masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = u64::from(!crc);
    let rotated = ((crc >> 15) | (crc << 17)) & 0xffff_ffff;
    ((rotated + 0xa282_ead8) & 0xffff_ffff) as u32
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(count);
    *bytes = tail;
    head
}

fn number(bytes: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(bytes, 4).try_into().unwrap())
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// The fields of a message: number and content, which is 8, 4 or any number of bytes; varints as 8.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            1 => take(&mut bytes, 8).to_vec(),
            2 => {
                let length = varint(&mut bytes) as usize;
                take(&mut bytes, length).to_vec()
            }
            5 => take(&mut bytes, 4).to_vec(),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, content));
    }
    fields
}

struct Event {
    wall_time: f64,
    step: i64,
    version: Option<String>,
    scalars: BTreeMap<String, f32>,
}

fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let length = take(&mut bytes, 8);
        assert_eq!(masked_crc(length), number(&mut bytes), "CRC of a length");
        let message = take(&mut bytes, u64::from_le_bytes(length.try_into().unwrap()) as usize);
        assert_eq!(masked_crc(message), number(&mut bytes), "CRC of a message");
        let mut event = Event { wall_time: 0.0, step: 0, version: None, scalars: BTreeMap::new() };
        for (field, content) in fields(message) {
            match field {
                1 => event.wall_time = f64::from_le_bytes(content.try_into().unwrap()),
                2 => event.step = i64::from_le_bytes(content.try_into().unwrap()),
                3 => event.version = Some(String::from_utf8(content).unwrap()),
                5 => {
                    for (field, value) in fields(&content) {
                        assert_eq!(field, 1);
                        let parts: BTreeMap<u64, Vec<u8>> = fields(&value).into_iter().collect();
                        let tag = String::from_utf8(parts[&1].clone()).unwrap();
                        let value = f32::from_le_bytes(parts[&2].clone().try_into().unwrap());
                        assert_eq!(event.scalars.insert(tag, value), None);
                    }
                }
                other => panic!("field {other} of an event"),
            }
        }
        events.push(event);
    }
    events
}

fn records() -> Vec<EpochRecord> {
    let record = |epoch: usize| {
        let x = epoch as f64;
        serde_json::json!({
            "epoch": epoch, "learning_rate": 4e-4 / (x + 1.0), "loss": 3.0 / (x + 1.0), "validation": 0.25 * x, "seconds": 10.0 + x,
            "entropy": 1.0 - 0.1 * x, "agreement": 0.5, "strategy": "darts",
            "metrics": {"recall@1 image→text": 0.125 * x, "note": "not a number"},
            "shares": {"self_att_16": 0.75},
            "probabilities": [[0.5, 0.5], [0.25, 0.25, 0.5]],
        })
    };
    (0..3).map(|epoch| serde_json::from_value(record(epoch)).unwrap()).collect()
}

#[test]
fn every_scalar_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let space = r#"{"encoder": [["self_att_16", "feed_forward"]], "decoder": [["self_att_64", "none", "sep_conv_3"]]}"#;
    std::fs::write(folder.path().join("space.json"), space).unwrap();
    write_events(&RunFolder::at(folder.path()), &records()).unwrap();
    let events = read(&std::fs::read(folder.path().join(EVENTS)).unwrap());
    assert_eq!(events.len(), 4);
    assert_eq!(events[0].version.as_deref(), Some("brain.Event:2"));
    for (epoch, (event, seconds)) in events[1..].iter().zip([10.0, 21.0, 33.0]).enumerate() {
        assert_eq!((event.step, event.wall_time), (epoch as i64, seconds));
        let x = epoch as f32;
        let expected = [
            ("agreement", 0.5),
            ("alpha/decoder_1/none", 0.25),
            ("alpha/decoder_1/self_att_64", 0.25),
            ("alpha/decoder_1/sep_conv_3", 0.5),
            ("alpha/encoder_1/feed_forward", 0.5),
            ("alpha/encoder_1/self_att_16", 0.5),
            ("entropy", 1.0 - 0.1 * x),
            ("learning_rate", 4e-4 / (x + 1.0)),
            ("loss", 3.0 / (x + 1.0)),
            ("metrics/recall@1 image→text", 0.125 * x),
            ("shares/self_att_16", 0.75),
            ("validation", 0.25 * x),
        ];
        assert_eq!(event.scalars.len(), expected.len(), "{:?}", event.scalars);
        for ((tag, value), (expected_tag, expected)) in event.scalars.iter().zip(expected) {
            assert!(tag == expected_tag && (value - expected).abs() < 1e-6, "{tag} {value}, {expected_tag} {expected}");
        }
    }
}

#[test]
fn a_run_without_epochs_has_a_file_that_tensorboard_takes() {
    let folder = tempfile::tempdir().unwrap();
    write_events(&RunFolder::at(folder.path()), &[]).unwrap();
    let events = read(&std::fs::read(folder.path().join(EVENTS)).unwrap());
    assert!(events.len() == 1 && events[0].scalars.is_empty());
}

#[test]
fn a_space_that_does_not_fit_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("space.json"), r#"{"encoder": [["none"]], "decoder": []}"#).unwrap();
    let error = write_events(&RunFolder::at(folder.path()), &records()).unwrap_err().to_string();
    assert!(error.contains("space.json") && error.contains("expected 2 blocks"), "{error}");
}
