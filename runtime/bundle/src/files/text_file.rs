//! Text files that people give.
//!
//! They are UTF-8, with or without the mark that some editors put first.

use std::io::BufRead;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What some editors begin a file of UTF-8 with.
///
/// It is no part of the text.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads a text file of UTF-8 whole, without a byte order mark.
///
/// # Errors
/// A file that cannot be read; one in UTF-16 or UTF-32, which the error names; other bytes that are no UTF-8, with their line.
pub fn read_text_file(file: &Path) -> Result<String> {
    decoded(std::fs::read(file).map_err(Error::io(file, "read"))?, file)
}

/// Reads a JSON file that people give.
///
/// # Errors
/// As [`read_text_file`]; JSON of another form, with its line and column.
pub fn read_json_file<T: DeserializeOwned>(file: &Path) -> Result<T> {
    serde_json::from_str(&read_text_file(file)?).map_err(|e| Error::json(file, &e))
}

/// Skips the byte order mark at the start of a text file, if any.
///
/// It is for files that are read piece by piece.
///
/// # Errors
/// A file that cannot be read, or one in UTF-16 or UTF-32.
pub fn skip_byte_order_mark(reader: &mut impl BufRead, file: &Path) -> Result<()> {
    let start = reader.fill_buf().map_err(Error::io(file, "read"))?;
    check_encoding(start, file)?;
    if start.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}

/// The text of a file's content.
pub(crate) fn decoded(content: Vec<u8>, file: &Path) -> Result<String> {
    check_encoding(&content, file)?;
    let mut text = String::from_utf8(content).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::invalid(file, format!("line {line}"), "UTF-8", format!("another byte, at {} of the file", valid.len()))
    })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

/// Refuses a file that begins as text in 16 or 32 bits does.
///
/// That is with that one's mark, or with a character and a 0.
fn check_encoding(start: &[u8], file: &Path) -> Result<()> {
    let found = match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        [0, 0, 0, 1..=0xff, ..] | [1..=0xff, 0, 0, 0, ..] => "UTF-32",
        [0, 1..=0xff, ..] | [1..=0xff, 0, ..] => "UTF-16",
        _ => return Ok(()),
    };
    Err(Error::invalid(file, "(text)", "UTF-8", format!("{found}; save the file as UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> std::result::Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let whole = read_text_file(file.path()).map_err(|e| e.to_string());
        let mut reader = std::io::BufReader::new(std::fs::File::open(file.path()).unwrap());
        let skipped = skip_byte_order_mark(&mut reader, file.path()).map_err(|e| e.to_string());
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
        match &whole {
            Ok(text) => assert_eq!((skipped, rest), (Ok(()), text.clone().into_bytes())),
            Err(error) if error.contains("UTF-16") || error.contains("UTF-32") => {
                assert_eq!(skipped, Err(error.clone()));
            }
            Err(_) => assert_eq!(skipped, Ok(())),
        }
        whole
    }

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        for (content, text) in [("", ""), ("a", "a"), ("\u{feff}", ""), ("\u{feff}{}\n", "{}\n"), ("ü", "ü")] {
            assert_eq!(read(content.as_bytes()).unwrap(), text);
        }
        // Once: what follows is the text's.
        assert_eq!(read("\u{feff}\u{feff}a".as_bytes()).unwrap(), "\u{feff}a");
    }

    #[test]
    fn other_encodings_are_named() {
        let wide = |text: &str, little: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|c| if little { c.to_le_bytes() } else { c.to_be_bytes() }).collect()
        };
        let wider = |text: &str, little: bool| -> Vec<u8> {
            text.chars().map(u32::from).flat_map(|c| if little { c.to_le_bytes() } else { c.to_be_bytes() }).collect()
        };
        for text in ["[\"yes\"]", "\u{feff}[\"yes\"]", "\u{feff}"] {
            for little in [true, false] {
                let error = read(&wide(text, little)).unwrap_err();
                assert!(error.contains("expected UTF-8, found UTF-16; save the file as UTF-8"), "{error}");
                let error = read(&wider(text, little)).unwrap_err();
                assert!(error.contains("found UTF-32"), "{error}");
            }
        }
        // Latin-1 has no mark; the place is told.
        let error = read(b"[\"a\",\n\"caf\xe9\"]").unwrap_err();
        assert!(error.contains("line 2: expected UTF-8, found another byte, at 10 of the file"), "{error}");
    }
}
