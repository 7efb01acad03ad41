//! Data sets as JSON lines: one sample a line, image names relative to an images folder.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::boxes::BoxXyxy;
use crate::files::open;
use crate::{Error, Result};

/// A question about an image, with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VqaSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The question as asked.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// An image with its captions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// What it shows, five times in the published data sets.
    pub captions: Vec<String>,
}

/// A phrase that names something in an image, with its box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhraseSample {
    /// File name of the image, relative to the images folder.
    pub image: String,
    /// The phrase.
    pub phrase: String,
    /// The box that it means, `[x1, y1, x2, y2]` in pixels of the image.
    pub box_xyxy: BoxXyxy,
}

/// A line above this length is an error, not an allocation.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Reads a file of JSON lines. An error names the line; a file without any line is an error too.
pub fn read_json_lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let mut reader = BufReader::new(open(file)?.0);
    let (mut samples, mut line, mut number) = (Vec::new(), Vec::new(), 0usize);
    loop {
        line.clear();
        number += 1;
        let read =
            reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line).map_err(Error::io(file, "read"))?;
        if read == 0 {
            break;
        }
        let field = || format!("line {number}");
        if read as u64 > MAX_LINE_BYTES {
            return Err(Error::invalid(file, field(), format!("at most {MAX_LINE_BYTES} bytes"), "a longer line"));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        samples.push(
            serde_json::from_slice(&line)
                .map_err(|e| Error::invalid(file, field(), "a JSON object of the right form", e))?,
        );
    }
    if samples.is_empty() {
        return Err(Error::invalid(file, "(lines)", "at least one sample", "none"));
    }
    Ok(samples)
}

/// The content of a file of JSON lines.
pub fn to_json_lines<T: Serialize>(samples: &[T]) -> serde_json::Result<String> {
    samples.iter().map(|sample| serde_json::to_string(sample).map(|line| line + "\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = VqaSample { image: "a.png".into(), question: "what?".into(), answer: "dog".into() };
        let mut text = to_json_lines(&[good.clone(), good.clone()]).unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(read_json_lines::<VqaSample>(file.path()).unwrap(), [good.clone(), good]);
        text.push_str("\n{\"image\": 3}\n");
        std::fs::write(file.path(), &text).unwrap();
        assert!(read_json_lines::<VqaSample>(file.path()).unwrap_err().to_string().contains("line 4"));
    }
}
