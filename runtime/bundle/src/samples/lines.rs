//! Reading and writing samples, one a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result, json_reason};
use crate::files::open;
use crate::files::text_file::skip_byte_order_mark;
use crate::samples::Broken;
use crate::samples::flaw::{Flaw, Sample};
use crate::samples::image_name::image_name;

/// A line above this length is an error, not an allocation.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Iterates over the lines of a JSON lines file that are not blank.
struct Lines<'a> {
    file: &'a Path,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn open(file: &'a Path) -> Result<Lines<'a>> {
        let mut reader = BufReader::new(open(file)?.0);
        skip_byte_order_mark(&mut reader, file)?;
        Ok(Lines { file, reader, line: Vec::new(), number: 0 })
    }

    /// The next line's number, from 1, and its sample or error.
    ///
    /// None at the end.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<(usize, Result<T>)>> {
        let file = self.file;
        loop {
            self.line.clear();
            self.number += 1;
            let taken = self.reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut self.line);
            let read = taken.map_err(Error::io(file, "read"))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 > MAX_LINE_BYTES {
                if self.line.last() != Some(&b'\n') {
                    self.reader.skip_until(b'\n').map_err(Error::io(file, "read"))?;
                }
                let expected = format!("at most {MAX_LINE_BYTES} bytes");
                let error = Error::invalid(file, format!("line {}", self.number), expected, "a longer line");
                return Ok(Some((self.number, Err(error))));
            }
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let sample = serde_json::from_slice(&self.line).map_err(|e| {
                let place = format!("line {}, column {}", self.number, e.column());
                Error::invalid(file, place, "a JSON object of the right form", json_reason(&e))
            });
            return Ok(Some((self.number, sample)));
        }
    }
}

fn none_found(file: &Path, found: impl std::fmt::Display) -> Error {
    Error::invalid(file, "(lines)", "at least one sample", found)
}

/// Gives every line of a JSON lines file that is not blank to `each`.
///
/// `each` gets its number, from 1, and what it holds or why it cannot be read. Reading ends at the first error that
/// `each` returns, so `each` decides whether a broken line is one.
///
/// # Errors
/// A file that cannot be read, or is without any line; the first error of `each`.
pub fn for_each_json_line<T: DeserializeOwned>(
    file: &Path,
    mut each: impl FnMut(usize, Result<T>) -> Result<()>,
) -> Result<()> {
    let (mut lines, mut found) = (Lines::open(file)?, false);
    while let Some((number, sample)) = lines.next()? {
        each(number, sample)?;
        found = true;
    }
    if found { Ok(()) } else { Err(none_found(file, "none")) }
}

/// Reads a file of JSON lines.
///
/// An error names the line; a file without any line is an error too.
///
/// # Errors
/// A file that cannot be read, a line that cannot be parsed, no line.
pub fn read_json_lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let mut samples = Vec::new();
    for_each_json_line(file, |_, sample| {
        samples.push(sample?);
        Ok(())
    })?;
    Ok(samples)
}

/// The content of a file of JSON lines.
///
/// # Errors
/// A sample that JSON cannot hold.
pub fn to_json_lines<T: Serialize>(samples: &[T]) -> serde_json::Result<String> {
    samples.iter().map(|sample| serde_json::to_string(sample).map(|line| line + "\n")).collect()
}

/// The samples of a file, as training and evaluation read them.
///
/// Both see the same lines, the same names of images, the same errors.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleFile<S> {
    /// The file.
    pub file: PathBuf,
    /// The samples in the order of their lines, the names of their images normalised ([`image_name`]).
    pub samples: Vec<S>,
    /// The line of each sample, from 1.
    pub lines: Vec<usize>,
    /// What was left out.
    pub broken: Broken,
}

/// How a file of samples is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Broken samples are left out and counted; else the first is an error.
    pub skip_broken: bool,
    /// Reading ends after this many samples.
    pub limit: Option<usize>,
}

impl<S: Sample> SampleFile<S> {
    /// Reads a file of samples.
    ///
    /// `check` says what is wrong with one that is right by itself ([`Sample::flaw`]): an image that is not there, a
    /// text without a word.
    ///
    /// # Errors
    /// The first broken sample, with its line, unless those are left out; a file without any sample that is right.
    pub fn read(
        file: &Path,
        reading: Reading,
        mut check: impl FnMut(&S) -> Result<Option<Flaw>>,
    ) -> Result<SampleFile<S>> {
        let mut read =
            SampleFile { file: file.to_path_buf(), samples: Vec::new(), lines: Vec::new(), broken: Broken::default() };
        let mut lines = Lines::open(file)?;
        while reading.limit.is_none_or(|limit| read.samples.len() < limit)
            && let Some((number, sample)) = lines.next::<S>()?
        {
            let checked = sample.and_then(|mut sample| {
                let name = image_name(sample.image()).into_owned();
                *sample.image_mut() = name;
                let flaw = sample.flaw().map_or_else(|| check(&sample), |flaw| Ok(Some(flaw)))?;
                flaw.map_or(Ok(sample), |flaw| Err(flaw.of_line(file, number)))
            });
            match checked {
                Ok(sample) => {
                    read.samples.push(sample);
                    read.lines.push(number);
                }
                Err(error) if reading.skip_broken => read.broken.add(&error),
                Err(error) => return Err(error),
            }
        }
        if read.samples.is_empty() {
            return Err(none_found(
                file,
                match read.broken.count {
                    0 => "none".to_owned(),
                    _ => format!("none; {}", read.broken),
                },
            ));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::text_file::BYTE_ORDER_MARK;
    use crate::samples::{CaptionSample, VqaSample};

    #[test]
    fn a_broken_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good =
            VqaSample { image: "a.png".into(), question: "what?".into(), answer: "dog".into(), ..VqaSample::default() };
        let mut text = to_json_lines(&[good.clone(), good.clone()]).unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(read_json_lines::<VqaSample>(file.path()).unwrap(), [good.clone(), good]);
        std::fs::write(file.path(), format!("{BYTE_ORDER_MARK}{text}")).unwrap();
        assert_eq!(read_json_lines::<VqaSample>(file.path()).unwrap().len(), 2);
        text.push_str("\n{\"image\": 3}\n");
        std::fs::write(file.path(), &text).unwrap();
        let error = read_json_lines::<VqaSample>(file.path()).unwrap_err().to_string();
        // The place once.
        assert!(error.contains("line 4, column 11: expected") && error.matches("line").count() == 1, "{error}");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(file.path(), wide).unwrap();
        let error = read_json_lines::<VqaSample>(file.path()).unwrap_err().to_string();
        assert!(error.contains("found UTF-16"), "{error}");
    }

    #[test]
    fn broken_lines_can_be_left_out_and_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = |image: &str| format!("{{\"image\": \"{image}\", \"captions\": [\"a dog\"], \"width\": 3}}\n");
        let long = format!("\"{}\"\n", "x".repeat(3 << 20));
        let bad = "{\"image\": 3}\n".repeat(6);
        std::fs::write(file.path(), format!("{}{long}\n{bad}{}", good("a"), good("./b"))).unwrap();
        let read = |reading| SampleFile::<CaptionSample>::read(file.path(), reading, |_| Ok(None));
        let lenient = Reading { skip_broken: true, limit: None };
        let SampleFile { samples, lines, broken, .. } = read(lenient).unwrap();
        assert_eq!(samples.iter().map(|s| s.image.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(lines, [1, 10]);
        assert_eq!((broken.count, broken.first.len()), (7, Broken::NAMED));
        assert!(broken.first[0].contains("line 2") && broken.first[0].contains("a longer line"), "{broken}");
        assert!(broken.first[1].contains("line 4"), "{broken}");
        let text = broken.to_string();
        assert!(text.starts_with("7 broken samples left out: ") && text.ends_with("; and 2 more"), "{text}");
        // The first is an error, unless it lies behind what is asked for.
        assert!(read(Reading::default()).unwrap_err().to_string().contains("line 2"));
        assert_eq!(read(Reading { skip_broken: false, limit: Some(1) }).unwrap().lines, [1]);
    }

    #[test]
    fn flaws_are_told_with_the_line_of_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |image: &str, captions: &str| format!("{{\"image\": \"{image}\", \"captions\": [{captions}]}}\n");
        let text = [line("a", "\"a dog\""), "\n".to_owned(), line("a", ""), line("", "\"x\""), line("b", "\"?\"")];
        std::fs::write(file.path(), text.concat()).unwrap();
        let check = |sample: &CaptionSample| {
            let wordless = sample.captions.iter().find(|caption| caption.as_str() == "?");
            Ok(wordless.map(|caption| Flaw::no_word(caption)))
        };
        let lenient = Reading { skip_broken: true, limit: None };
        let read = SampleFile::read(file.path(), lenient, check).unwrap();
        assert_eq!((read.lines, read.broken.count), (vec![1], 3));
        for (error, place) in read.broken.first.iter().zip(["line 3: captions", "line 4: image", "line 5: text"]) {
            assert!(error.contains(place), "{error}");
        }
        std::fs::write(file.path(), text[2..].concat()).unwrap();
        let error = SampleFile::read(file.path(), lenient, check).unwrap_err().to_string();
        assert!(error.contains("at least one sample, found none; 3 broken samples left out"), "{error}");
    }

    #[test]
    fn what_a_sample_does_not_have_is_not_written() {
        let sample = VqaSample { image: "9".into(), question: "what?".into(), ..VqaSample::default() };
        assert_eq!(to_json_lines(&[sample]).unwrap(), "{\"image\":\"9\",\"question\":\"what?\",\"answer\":\"\"}\n");
    }
}
