//! The keys' file.
//!
//! It has one record for every state that was put or deleted, in this order.
//!
//! A record is `length u32 · crc32c u32 · body`, little-endian; the body is `what u8 · offset u64 · bytes u64 · crc32c u32 ·
//! key`, where offset, bytes and the second crc32c are those of the state in the states' file.

use std::path::Path;

use crate::error::{Error, Result};

/// Where a state lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub offset: u64,
    pub bytes: u64,
    pub crc32c: u32,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Put(String, Place),
    Delete(String),
}

/// Longest key, in bytes.
pub(super) const MAX_KEY: usize = 1 << 16;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const BODY_BEFORE_KEY: usize = 1 + 8 + 8 + 4;

impl Record {
    /// The record as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let nowhere = Place { offset: 0, bytes: 0, crc32c: 0 };
        let (what, key, place) = match self {
            Record::Put(key, place) => (PUT, key, *place),
            Record::Delete(key) => (DELETE, key, nowhere),
        };
        let mut body = Vec::with_capacity(BODY_BEFORE_KEY + key.len());
        body.push(what);
        body.extend(place.offset.to_le_bytes());
        body.extend(place.bytes.to_le_bytes());
        body.extend(place.crc32c.to_le_bytes());
        body.extend(key.as_bytes());
        // Keys are at most 64 KiB.
        let length = (body.len() as u32).to_le_bytes();
        [&length[..], &crc32c::crc32c(&body).to_le_bytes(), &body].concat()
    }
}

/// All records of `content`; `file` names it in errors.
pub(super) fn decode(mut content: &[u8], file: &Path) -> Result<Vec<Record>> {
    let whole = content.len();
    let mut records = Vec::new();
    while !content.is_empty() {
        let at = whole - content.len();
        let damaged = || Error::invalid(file, format!("record at byte {at}"), "a whole record", "another content");
        let (record, rest) = record(content).ok_or_else(damaged)?;
        records.push(record);
        content = rest;
    }
    Ok(records)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn record(content: &[u8]) -> Option<(Record, &[u8])> {
    let length = u32_at(content, 0)? as usize;
    if !(BODY_BEFORE_KEY..=BODY_BEFORE_KEY + MAX_KEY).contains(&length) {
        return None;
    }
    let (body, rest) = content.get(8..)?.split_at_checked(length)?;
    if crc32c::crc32c(body) != u32_at(content, 4)? {
        return None;
    }
    let key = std::str::from_utf8(&body[BODY_BEFORE_KEY..]).ok()?.to_owned();
    let place = Place { offset: u64_at(body, 1)?, bytes: u64_at(body, 9)?, crc32c: u32_at(body, 17)? };
    let record = match body[0] {
        PUT => Record::Put(key, place),
        DELETE => Record::Delete(key),
        _ => return None,
    };
    Some((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_damage_is_found() {
        let place = Place { offset: 1 << 40, bytes: 37_440, crc32c: 9 };
        let records =
            [Record::Put("é.jpg".into(), place), Record::Delete("b".into()), Record::Put(String::new(), place)];
        let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        assert_eq!(decode(&bytes, Path::new("keys")).unwrap(), records);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(decode(&damaged, Path::new("keys")).is_err(), "{at}");
        }
        let error = decode(&bytes[..bytes.len() - 1], Path::new("keys")).unwrap_err().to_string();
        assert!(error.starts_with("keys: record at byte "), "{error}");
    }
}
