//! Vectors of words from published files.
//!
//! The forms are GloVe's text and the JSON of the npm packages `wink-embeddings-*`.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use mmnas_bundle::{Error as BundleError, skip_byte_order_mark};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::Result;

/// Largest length of a line: a longer one is an error, not an allocation.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Vectors of some words.
#[derive(Debug, Clone, PartialEq)]
pub struct WordVectors {
    /// Index of the word in the given list, and its vector; in the list's order.
    pub rows: Vec<(usize, Vec<f32>)>,
}

impl WordVectors {
    /// Number of words that have a vector.
    pub fn found(&self) -> usize {
        self.rows.len()
    }
}

/// Reads the vectors of `words` from `file`, which need not fit in memory.
///
/// A word that the file lacks is looked up in lower case. Of several vectors of the same word the
/// first counts. The content decides the form: wink's JSON, or a line `word v1 … v_width` a word,
/// after an optional line `count width`.
///
/// # Errors
///
/// A file that cannot be read; a file of another width or form, named with its line; a number that
/// is not finite.
pub fn load(file: &Path, words: &[String], width: usize) -> Result<WordVectors> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file).map_err(BundleError::io(file, "read"))?);
    if width == 0 {
        return Err(BundleError::invalid(file, "width", "at least 1", width).into());
    }
    let mut wanted = Wanted::new(words, width);
    skip_byte_order_mark(&mut reader, file)?;
    let json = is_json(reader.fill_buf().map_err(BundleError::io(file, "read"))?);
    if json {
        read_json(file, reader, &mut wanted)?
    } else {
        read_text(file, reader, &mut wanted)?
    }
    Ok(wanted.into_rows())
}

/// Whether the content is JSON: a brace and the quote of a name.
///
/// "{" alone may be a word.
fn is_json(start: &[u8]) -> bool {
    let mut marks = start.iter().take(64).filter(|b| !b.is_ascii_whitespace());
    marks.next() == Some(&b'{') && marks.next() == Some(&b'"')
}

/// The words that are looked for, and the vectors that were found.
struct Wanted {
    width: usize,
    exact: HashMap<String, Vec<usize>>,
    lower: HashMap<String, Vec<usize>>,
    vectors: Vec<Option<(bool, Vec<f32>)>>,
}

impl Wanted {
    fn new(words: &[String], width: usize) -> Wanted {
        let mut wanted =
            Wanted { width, exact: HashMap::new(), lower: HashMap::new(), vectors: vec![None; words.len()] };
        for (index, word) in words.iter().enumerate() {
            wanted.exact.entry(word.clone()).or_default().push(index);
            let lower = word.to_lowercase();
            if lower != *word {
                wanted.lower.entry(lower).or_default().push(index);
            }
        }
        wanted
    }

    fn wants(&self, word: &str) -> bool {
        self.exact.contains_key(word) || self.lower.contains_key(word)
    }

    /// Stores `vector` for all words for which `word` is the first match.
    ///
    /// An exact match goes before a match in lower case.
    fn put(&mut self, word: &str, vector: &[f32]) {
        for (places, is_exact) in [(self.exact.get(word), true), (self.lower.get(word), false)] {
            for &index in places.into_iter().flatten() {
                if self.vectors[index].as_ref().is_none_or(|(exact, _)| is_exact && !exact) {
                    self.vectors[index] = Some((is_exact, vector.to_vec()));
                }
            }
        }
    }

    fn into_rows(self) -> WordVectors {
        let found = self.vectors.into_iter().enumerate().filter_map(|(index, found)| Some((index, found?.1)));
        WordVectors { rows: found.collect() }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Splits a line into the word and its last `width` fields.
///
/// A word may have spaces in it, as some of glove.840B have.
fn split(line: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let mut end = line.len();
    for _ in 0..width {
        end = line[..end].iter().rposition(is_blank)?;
    }
    let (word, numbers) = line.split_at(end);
    (!word.is_empty()).then_some((word, numbers))
}

fn read_text(file: &Path, mut reader: impl BufRead, wanted: &mut Wanted) -> Result<()> {
    let width = wanted.width;
    let mut line = Vec::new();
    let mut first = true;
    for number_of_line in 1usize.. {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line);
        let read = read.map_err(BundleError::io(file, "read"))?;
        let invalid = |expected: String, found: String| -> crate::error::Error {
            BundleError::invalid(file, format!("line {number_of_line}"), expected, found).into()
        };
        if read == 0 {
            return if first { Err(invalid("a word and its vector".into(), "an empty file".into())) } else { Ok(()) };
        }
        if read as u64 > MAX_LINE_BYTES {
            return Err(invalid(format!("at most {MAX_LINE_BYTES} bytes"), "a longer line".into()));
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        if first {
            let fields: Vec<&[u8]> = text.split(is_blank).collect();
            let whole = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<usize>().ok();
            if let (1, [_, dimension]) = (number_of_line, fields.as_slice())
                && width > 1
                && fields.iter().all(|field| whole(field).is_some())
            {
                if whole(dimension) == Some(width) {
                    continue;
                }
                let found = String::from_utf8_lossy(dimension).into_owned();
                return Err(invalid(format!("vectors of {width} numbers"), found));
            }
            // Here a word has no spaces: the fields after it are the vector and give the file's
            // width.
            let numbers = fields.len() - 1;
            let more = numbers > width && fields[1..].iter().all(|field| number(field).is_some());
            if numbers < width || more {
                return Err(invalid(format!("a word and {width} numbers"), format!("{numbers} numbers")));
            }
            first = false;
        }
        let found = || format!("{} fields", text.split(is_blank).count());
        let (word, numbers) =
            split(text, width).ok_or_else(|| invalid(format!("a word and {width} numbers"), found()))?;
        let word = String::from_utf8_lossy(word);
        if !wanted.wants(&word) {
            continue;
        }
        let vector: Option<Vec<f32>> = numbers.split(is_blank).skip(1).map(number).collect();
        let vector = vector.filter(|vector| vector.iter().all(|v| v.is_finite()));
        let vector =
            vector.ok_or_else(|| invalid(format!("{width} finite numbers after {word:?}"), "something else".into()))?;
        wanted.put(&word, &vector);
    }
    Ok(())
}

/// Reads wink's JSON.
///
/// `{…, "dimensions": N, "words": […], "vectors": {"word": [N numbers, norm, index], …}, …}`.
fn read_json(file: &Path, reader: impl Read, wanted: &mut Wanted) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let read = Wink { wanted }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    Ok(read.map_err(|e| BundleError::json(file, &e))?)
}

struct Wink<'a> {
    wanted: &'a mut Wanted,
}

impl<'de> DeserializeSeed<'de> for Wink<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wink<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"dimensions\" and \"vectors\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let (mut fits, mut vectors) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "dimensions" => {
                    let found: usize = map.next_value()?;
                    let width = self.wanted.width;
                    if found != width {
                        return Err(A::Error::custom(format!("dimensions: expected {width}, found {found}")));
                    }
                    fits = true;
                }
                "vectors" => {
                    map.next_value_seed(Vectors { wanted: &mut *self.wanted })?;
                    vectors = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        for (there, field) in [(fits, "dimensions"), (vectors, "vectors")] {
            if !there {
                return Err(A::Error::custom(format!("{field}: expected a field of this name, found none")));
            }
        }
        Ok(())
    }
}

struct Vectors<'a> {
    wanted: &'a mut Wanted,
}

impl<'de> DeserializeSeed<'de> for Vectors<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Vectors<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("words and their vectors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(word) = map.next_key::<String>()? {
            if !self.wanted.wants(&word) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // Behind the vector stand its norm and the word's index.
            let (vector, width): (Vec<f32>, _) = (map.next_value()?, self.wanted.width);
            let Some(vector) = vector.get(..width).filter(|v| v.iter().all(|v| v.is_finite())) else {
                let found = vector.len();
                let text = format!("vectors.{word:?}: expected {width} finite numbers and two more, found {found}");
                return Err(A::Error::custom(text));
            };
            self.wanted.put(&word, vector);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(content: &[u8], words: &[&str], width: usize) -> std::result::Result<WordVectors, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        load(file.path(), &words, width).map_err(|e| e.to_string())
    }

    const GLOVE: &str =
        "the 0.1 -0.2 3e-1\nNew 7 8 9\nat name@domain.com 1 2 3\nnew 4 5 6\nthe 9 9 9\nnbsp\u{a0}word 1 1 1\n1 2 3 4\n";

    #[test]
    fn glove_lines_are_read_and_words_may_have_spaces() {
        let words = ["cat", "The", "the", "at name@domain.com", "NEW", "New", "nbsp\u{a0}word", "1"];
        let found = from(GLOVE.as_bytes(), &words, 3).unwrap();
        let the = vec![0.1, -0.2, 0.3];
        let expected = [
            (1, the.clone()),
            (2, the),
            (3, vec![1.0, 2.0, 3.0]),
            (4, vec![4.0, 5.0, 6.0]),
            (5, vec![7.0, 8.0, 9.0]),
            (6, vec![1.0, 1.0, 1.0]),
            (7, vec![2.0, 3.0, 4.0]),
        ];
        assert_eq!(found.rows, expected);
        assert_eq!(found.found(), 7);
    }

    #[test]
    fn word2vec_text_has_a_first_line_and_spaces_at_the_ends() {
        let found = from(b"2 3\ncat 1 2 3 \ndog 4 5 6 \r\n\n", &["dog", "cat"], 3).unwrap();
        assert_eq!(found.rows, [(0, vec![4.0, 5.0, 6.0]), (1, vec![1.0, 2.0, 3.0])]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_word() {
        let rows = |content: &str| from(content.as_bytes(), &["cat", "the"], 3).unwrap().rows;
        assert_eq!(rows("\u{feff}cat 1 2 3\n"), [(0, vec![1.0, 2.0, 3.0])]);
        assert_eq!(rows(&format!("\u{feff}{WINK}")), [(1, vec![0.1, -0.2, 0.3])]);
        let wide: Vec<u8> = "cat 1 2 3\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(from(&wide, &["cat"], 3).unwrap_err().contains("found UTF-16"));
    }

    #[test]
    fn a_file_of_another_width_is_named_with_its_line() {
        for (content, width, parts) in [
            (GLOVE, 2, ["line 1", "expected a word and 2 numbers, found 3 numbers"]),
            (GLOVE, 4, ["line 1", "expected a word and 4 numbers, found 3 numbers"]),
            ("2 3\ncat 1 2 3\n", 5, ["line 1", "expected vectors of 5 numbers, found 3"]),
            ("cat 1 2 3\ndog 1 2\n", 3, ["line 2", "found 3 fields"]),
            ("cat 1 2 x\n", 3, ["line 1", "3 finite numbers after \"cat\""]),
            ("cat 1 2 inf\n", 3, ["line 1", "3 finite numbers after \"cat\""]),
            ("", 3, ["line 1", "an empty file"]),
        ] {
            let error = from(content.as_bytes(), &["cat", "dog"], width).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{content:?} {width}: {error}");
        }
        assert!(from(&vec![b'x'; 2 << 20], &["x"], 3).unwrap_err().contains("a longer line"));
    }

    const WINK: &str = r#"{"precision":8,"l2NormIndex":3,"wordIndex":4,"size":3,"dimensions":3,
        "words":["the","{","new"],"vectors":{"the":[0.1,-0.2,0.3,0.37,0],"{":[1,2,3,3.7,1],
        "new":[4,5,6,8.8,2]},"unkVector":[0,0,0,0,-1]}"#;

    #[test]
    fn wink_json_is_told_by_its_content() {
        let found = from(WINK.as_bytes(), &["New", "cat", "the", "{"], 3).unwrap();
        assert_eq!(found.rows, [(0, vec![4.0, 5.0, 6.0]), (2, vec![0.1, -0.2, 0.3]), (3, vec![1.0, 2.0, 3.0])]);
        // A brace is a word where no name follows it.
        assert_eq!(from(b"{ 1 2 3\n", &["{"], 3).unwrap().rows, [(0, vec![1.0, 2.0, 3.0])]);
    }

    #[test]
    fn json_that_does_not_fit_is_named() {
        for (content, width, part) in [
            (WINK.to_owned(), 4, "dimensions: expected 4, found 3"),
            (WINK.replace("\"dimensions\":3", "\"other\":3"), 3, "dimensions: expected a field"),
            (WINK.replace("\"vectors\":{", "\"other\":{"), 3, "vectors: expected a field"),
            (WINK.replace("4,5,6,8.8,2", "4,5"), 3, "vectors.\"new\": expected 3 finite numbers"),
            (WINK.replace("4,5,6", "4,1e99,6"), 3, "number out of range"),
            (WINK.trim_end_matches('}').to_owned(), 3, "line 3"),
            (format!("{WINK} more"), 3, "line 3"),
        ] {
            let error = from(content.as_bytes(), &["new"], width).unwrap_err();
            assert!(error.contains(part) && error.contains("line "), "{part}: {error}");
        }
    }
}
