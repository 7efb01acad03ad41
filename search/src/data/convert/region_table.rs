//! Tables of region features as the published extractors of bottom-up attention write them.
//!
//! A table has a line an image, its fields separated by tabs, and is read line by line.
//!
//! Boxes and features are base64 of 32-bit floats, row by row. A box is x1 y1 x2 y2 in pixels, or
//! from 0 to 1 if no box of an image ends beyond 1. No field is quoted, so that none needs a reader
//! of CSV.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mmnas_bundle::{Error as BundleError, PublishedPlace, RegionFeatures, published_regions, skip_byte_order_mark};

use crate::error::Result;

/// Largest length of a line: a longer one is an error, not an allocation.
///
/// 2,048 regions of 2,048 features take a third of it.
const MAX_LINE_BYTES: u64 = 64 << 20;
/// Largest number of characters that an error quotes of a field.
const QUOTED: usize = 40;

/// The columns that are read, each with the names that extractors give it.
const READ: [&[&str]; 6] = [
    &["image_id", "img_id"],
    &["image_w", "img_w"],
    &["image_h", "img_h"],
    &["num_boxes", "num_bbox"],
    &["boxes", "bbox"],
    &["features", "x"],
];
/// The columns of tables without a line of names.
///
/// They are those of bottom-up-attention, and those with classes and attributes (LXMERT).
const PUBLISHED: [&[&str]; 2] = [
    &["image_id", "image_w", "image_h", "num_boxes", "boxes", "features"],
    &[
        "img_id",
        "img_h",
        "img_w",
        "objects_id",
        "objects_conf",
        "attrs_id",
        "attrs_conf",
        "num_boxes",
        "boxes",
        "features",
    ],
];

/// Positions of the columns that are read.
#[derive(Debug, Clone, Copy)]
struct Columns {
    read: [usize; READ.len()],
    all: usize,
}

impl Columns {
    /// The columns of these names; none if one that is read is missing.
    fn of(names: &[impl AsRef<str>]) -> Option<Columns> {
        let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_ref().trim()));
        let mut read = [0; READ.len()];
        for (at, known) in read.iter_mut().zip(READ) {
            *at = place(known)?;
        }
        Some(Columns { read, all: names.len() })
    }
}

/// A table, open to be read line by line.
#[derive(Debug)]
pub(crate) struct RegionTable {
    file: PathBuf,
    reader: BufReader<File>,
    columns: Columns,
    line: usize,
    bytes: u64,
    /// The first line, if it is no line of names.
    first: Option<Line>,
}

/// A line that is not decoded yet.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub number: usize,
    content: String,
}

/// The content of a line.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub image: String,
    pub regions: RegionFeatures,
    /// D, width of a region's features.
    pub feature: usize,
}

impl RegionTable {
    /// Opens a table whose columns are called `columns`.
    ///
    /// Without them a first line of names identifies the columns, else their number.
    pub(crate) fn open(file: &Path, columns: Option<&[String]>) -> Result<RegionTable> {
        let opened = File::open(file).map_err(BundleError::io(file, "read"))?;
        let mut reader = BufReader::with_capacity(1 << 20, opened);
        skip_byte_order_mark(&mut reader, file)?;
        let columns_of = |names: &[String]| {
            let expected = format!("names of columns, among them {}", READ.map(|names| names[0]).join(", "));
            Columns::of(names).ok_or_else(|| BundleError::invalid(file, "columns", expected, names.join(", ")))
        };
        let given = columns.map(columns_of).transpose()?;
        let placeholder = Columns { read: [0; READ.len()], all: 0 };
        let columns = given.unwrap_or(placeholder);
        let mut table = RegionTable { file: file.to_path_buf(), reader, columns, line: 0, bytes: 0, first: None };
        let first = table.read_line()?;
        let first = first.ok_or_else(|| BundleError::invalid(file, "(lines)", "at least one image", "none"))?;
        let names: Vec<&str> = first.content.split('\t').collect();
        let named = Columns::of(&names);
        table.columns = match (given, named) {
            (Some(given), _) => given,
            (None, Some(named)) => named,
            (None, None) => {
                let published = PUBLISHED.iter().find(|columns| columns.len() == names.len());
                published.and_then(|columns| Columns::of(columns)).ok_or_else(|| {
                    let numbers = PUBLISHED.map(|columns| columns.len().to_string()).join(" or ");
                    let expected = format!("{numbers} columns, a first line of their names, or --columns");
                    BundleError::invalid(file, "line 1", expected, format!("{} columns", names.len()))
                })?
            }
        };
        table.first = named.is_none().then_some(first);
        Ok(table)
    }

    /// The next line; none at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read_line(),
        }
    }

    fn read_line(&mut self) -> Result<Option<Line>> {
        loop {
            let mut content = Vec::new();
            self.line += 1;
            let read = self.reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut content);
            let read = read.map_err(BundleError::io(&self.file, "read"))? as u64;
            self.bytes += read;
            if read == 0 {
                return Ok(None);
            }
            let invalid = |expected: String, found: &str| {
                BundleError::invalid(&self.file, format!("line {}", self.line), expected, found)
            };
            if read > MAX_LINE_BYTES {
                return Err(invalid(format!("at most {MAX_LINE_BYTES} bytes"), "a longer line").into());
            }
            let content = String::from_utf8(content).map_err(|_| invalid("text".to_owned(), "other bytes"))?;
            let content = content.trim_end_matches(['\n', '\r']);
            if !content.is_empty() {
                return Ok(Some(Line { number: self.line, content: content.to_owned() }));
            }
        }
    }

    /// Number of bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Decodes a line of this table and keeps its first `max_regions` regions.
    pub(crate) fn decode(&self, line: &Line, max_regions: usize) -> Result<Row> {
        let column = |k: usize| format!("line {}: {}", line.number, READ[k][0]);
        let invalid =
            |k: usize, expected: &str, found: String| BundleError::invalid(&self.file, column(k), expected, found);
        let fields: Vec<&str> = line.content.split('\t').collect();
        if fields.len() != self.columns.all {
            let (expected, found) = (format!("{} columns", self.columns.all), fields.len());
            return Err(BundleError::invalid(&self.file, format!("line {}", line.number), expected, found).into());
        }
        let field = |k: usize| fields[self.columns.read[k]].trim();
        let quoted = |k: usize| format!("{:?}", field(k).chars().take(QUOTED).collect::<String>());
        let whole = |k: usize, what: &str| {
            let number = field(k).parse::<f64>().ok().filter(|v| v.fract() == 0.0 && (1.0..=1e9).contains(v));
            let expected = format!("a whole number of {what} above 0");
            number.map(|v| v as u32).ok_or_else(|| invalid(k, &expected, quoted(k)))
        };
        if field(0).is_empty() {
            return Err(invalid(0, "the name of an image", "nothing".to_owned()).into());
        }
        let size = (whole(1, "pixels")?, whole(2, "pixels")?);
        let n = whole(3, "boxes")? as usize;
        let bytes = |k: usize| {
            // Python 3 writes bytes as b'…' unless they are decoded to text.
            let text = field(k).strip_prefix("b'").and_then(|text| text.strip_suffix('\'')).unwrap_or(field(k));
            STANDARD.decode(text).map_err(|e| invalid(k, "base64", e.to_string()))
        };
        let (boxes, features) = (bytes(4)?, bytes(5)?);
        if boxes.len() != 16 * n {
            let expected = format!("{n} × 4 floats of 32 bits");
            return Err(invalid(4, &expected, format!("{} bytes", boxes.len())).into());
        }
        let feature = features.len() / (4 * n);
        if feature == 0 || feature * 4 * n != features.len() {
            let expected = format!("{n} × D floats of 32 bits");
            return Err(invalid(5, &expected, format!("{} bytes", features.len())).into());
        }
        let floats = |content: &[u8]| -> Vec<f32> {
            content.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()
        };
        let kept = n.min(max_regions);
        let boxes = floats(&boxes[..16 * kept]).as_chunks::<4>().0.to_vec();
        let features = floats(&features[..4 * feature * kept]);
        let place = PublishedPlace { file: &self.file, features: &column(5), boxes: &column(4) };
        let regions = published_regions(features, boxes, size, &place)?;
        Ok(Row { image: field(0).to_owned(), regions, feature })
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::BYTE_ORDER_MARK;

    use super::*;

    fn base64(values: &[f32]) -> String {
        STANDARD.encode(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// `n` regions of 3 features that start with `start`.
    fn row(image: &str, n: usize, start: f32) -> Row {
        let features = (0..3 * n).map(|k| start + k as f32).collect();
        let boxes = (0..n).map(|k| [k as f32, 0.0, 10.0 + k as f32, 20.0]).collect();
        Row { image: image.to_owned(), regions: RegionFeatures { features, boxes, size: (640, 480) }, feature: 3 }
    }

    fn fields(row: &Row) -> (String, String, String) {
        let regions = &row.regions;
        (regions.boxes.len().to_string(), base64(regions.boxes.as_flattened()), base64(&regions.features))
    }

    fn read(text: &str, columns: Option<&[&str]>) -> std::result::Result<Vec<Row>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let columns: Option<Vec<String>> = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let run = || -> Result<Vec<Row>> {
            let mut table = RegionTable::open(file.path(), columns.as_deref())?;
            let mut rows = Vec::new();
            while let Some(line) = table.next_line()? {
                rows.push(table.decode(&line, 100)?);
            }
            assert_eq!(table.bytes(), text.trim_start_matches(BYTE_ORDER_MARK).len() as u64);
            Ok(rows)
        };
        run().map_err(|e| e.to_string())
    }

    #[test]
    fn every_published_order_of_columns_is_read() {
        let rows = [row("9", 2, 0.0), row("COCO_val2014_000000000042", 3, 7.5)];
        let plain = |row: &Row| {
            let (n, boxes, features) = fields(row);
            format!("{}\t640\t480\t{n}\t{boxes}\t{features}", row.image)
        };
        let with_classes = |row: &Row| {
            let (n, boxes, features) = fields(row);
            format!("{}\t480\t640\tAA==\tAA==\tAA==\tAA==\t{n}\t{boxes}\t{features}", row.image)
        };
        let in_python = |row: &Row| {
            let (n, boxes, features) = fields(row);
            format!("b'{features}'\tdog\tb'{boxes}'\t{n}\t480.0\t640.0\t{}\r", row.image)
        };
        let columns = ["features", "cls", "boxes", "num_boxes", "image_h", "image_w", "image_id"];
        let table = |line: &dyn Fn(&Row) -> String| rows.iter().map(|row| line(row) + "\n").collect::<String>();
        for (text, columns) in [
            (table(&plain), None),
            (table(&plain) + "\n", None),
            (table(&with_classes), None),
            (table(&in_python), Some(&columns[..])),
            (columns.join("\t") + "\n" + &table(&in_python), None),
        ] {
            assert_eq!(read(&text, columns).as_deref(), Ok(&rows[..]), "{text}");
            assert_eq!(read(&format!("{BYTE_ORDER_MARK}{text}"), columns).as_deref(), Ok(&rows[..]), "{text}");
        }
    }

    #[test]
    fn boxes_from_0_to_1_become_pixels() {
        let mut relative = row("9", 2, 0.0);
        relative.regions.boxes = vec![[0.25, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]];
        let (n, boxes, features) = fields(&relative);
        let found = read(&format!("9\t640\t480\t{n}\t{boxes}\t{features}"), None).unwrap();
        assert_eq!(found[0].regions.boxes, [[160.0, 0.0, 320.0, 240.0], [0.0, 0.0, 640.0, 480.0]]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        let (n, boxes, features) = fields(&row("9", 2, 0.0));
        let good = format!("8\t640\t480\t{n}\t{boxes}\t{features}\n");
        let line = |fields: [&str; 6]| good.clone() + &fields.join("\t");
        let nan = base64(&[1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0]);
        for (text, parts) in [
            (line(["9", "0", "480", &n, &boxes, &features]), ["line 2: image_w", "above 0, found \"0\""]),
            (line(["", "640", "480", &n, &boxes, &features]), ["line 2: image_id", "the name of an image"]),
            (line(["9", "640", "480", "3", &boxes, &features]), ["line 2: boxes", "3 × 4 floats of 32 bits, found 32"]),
            (line(["9", "640", "480", "x", &boxes, &features]), ["line 2: num_boxes", "found \"x\""]),
            (line(["9", "640", "480", &n, "!!", &features]), ["line 2: boxes", "expected base64"]),
            (line(["9", "640", "480", &n, &boxes, "AAAA"]), ["line 2: features", "2 × D floats"]),
            (line(["9", "640", "480", &n, &boxes, &nan]), ["line 2: features", "found NaN for region 1"]),
            (good.clone() + "9\t640", ["line 2", "6 columns, found 2"]),
            ("9\t640\t480".to_owned(), ["line 1", "or --columns, found 3 columns"]),
            (String::new(), ["(lines)", "at least one image"]),
        ] {
            let error = read(&text, None).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let error = read(&good, Some(&["image_id", "boxes"])).unwrap_err();
        assert!(error.contains("columns: expected names of columns, among them image_id"), "{error}");
    }
}
