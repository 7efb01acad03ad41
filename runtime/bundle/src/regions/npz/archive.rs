//! Arrays of numbers in an `.npz` file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::f16;
use ndarray::{Array2, ArrayD, Ix2, IxDyn, ShapeBuilder};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use zip::ZipArchive;

use crate::error::{Error, Result};
use crate::files::open;

/// Most bytes of a header.
///
/// Those of plain arrays have 128 bytes or less.
const MAX_HEADER_BYTES: u64 = 512;
/// Arrays of more numbers are an error, not an allocation.
const MAX_NUMBERS: usize = 1 << 26;
/// Longest text that is read, in bytes.
const MAX_TEXT: usize = 128;

/// An opened file.
pub(super) struct Archive<'a> {
    file: &'a Path,
    archive: ZipArchive<BufReader<File>>,
}

impl<'a> Archive<'a> {
    pub(super) fn open(file: &'a Path) -> Result<Archive<'a>> {
        let (opened, _) = open(file)?;
        let archive = ZipArchive::new(BufReader::new(opened));
        Ok(Archive { file, archive: archive.map_err(|e| Error::invalid(file, "(archive)", "an npz archive", e))? })
    }

    pub(super) fn invalid(
        &self,
        field: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::invalid(self.file, field, expected, found)
    }

    /// Whether there is an array `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// The first of `names` that there is; else the first, which is missing.
    pub(super) fn first_of<'n>(&self, names: &[&'n str]) -> &'n str {
        names.iter().find(|name| self.has(name)).or(names.first()).copied().unwrap_or_default()
    }

    fn entry(&mut self, name: &str) -> Result<impl Read> {
        let file = self.file;
        let missing = |e| Error::invalid(file, name, "an array of this name", e);
        self.archive.by_name(&format!("{name}.npy")).map_err(missing)
    }

    /// The number type of an array, as "f4" or "i8", and its length.
    ///
    /// It has at most [`MAX_NUMBERS`] numbers.
    fn number_type(&mut self, name: &str) -> Result<(String, usize)> {
        let header = Header::from_reader(&mut self.entry(name)?.take(MAX_HEADER_BYTES));
        let header = header.map_err(|e| self.invalid(name, "an array", e))?;
        let numbers = header.shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
        if numbers.is_none_or(|n| n > MAX_NUMBERS) {
            let expected = format!("at most {MAX_NUMBERS} numbers");
            return Err(self.invalid(name, expected, format!("shape {:?}", header.shape)));
        }
        // A Python string: the byte order, then the type.
        let kind = header.type_descriptor.to_string();
        let kind = kind.trim_matches('\'').trim_start_matches(['<', '>', '|', '=']).to_owned();
        if kind == "O" {
            let expected = "an array of numbers";
            return Err(self.invalid(name, expected, "pickled Python objects, which are programs and not read"));
        }
        Ok((kind, numbers.unwrap_or_default()))
    }

    /// Most bytes of an array of `numbers` of at most 8 bytes.
    ///
    /// The reader looks for what follows them, and an archive may promise any length.
    fn longest(numbers: usize) -> u64 {
        MAX_HEADER_BYTES + 8 * numbers as u64 + 1
    }

    fn read<A: ReadableElement>(&mut self, name: &str, numbers: usize) -> Result<ArrayD<A>> {
        let entry = BufReader::new(self.entry(name)?.take(Self::longest(numbers)));
        ArrayD::read_npy(entry).map_err(|e| self.invalid(name, "the numbers that its header says", e))
    }

    /// An array of 16-bit floats, which the library of the others does not read.
    fn read_halves(&mut self, name: &str, numbers: usize) -> Result<ArrayD<f32>> {
        let mut entry = BufReader::new(self.entry(name)?.take(Self::longest(numbers)));
        let header = Header::from_reader(&mut entry);
        let mut content = Vec::new();
        let read = entry.read_to_end(&mut content);
        drop(entry);
        let header = header.map_err(|e| self.invalid(name, "an array", e))?;
        read.map_err(|e| self.invalid(name, "the numbers that its header says", e))?;
        let is_big_endian = header.type_descriptor.to_string().contains('>');
        let number = |c: &[u8; 2]| if is_big_endian { f16::from_be_bytes(*c) } else { f16::from_le_bytes(*c) }.to_f32();
        let (pairs, rest) = content.as_chunks::<2>();
        let values = pairs.iter().map(number).collect();
        let shape = IxDyn(&header.shape).set_f(header.layout.is_fortran());
        let found = format!("{} bytes", content.len());
        let array = ArrayD::from_shape_vec(shape, values).ok().filter(|_| rest.is_empty());
        array.ok_or_else(|| self.invalid(name, "the numbers that its header says", found))
    }

    /// A matrix of floats of 16, 32 or 64 bits.
    pub(super) fn floats(&mut self, name: &str) -> Result<Array2<f32>> {
        let (kind, numbers) = self.number_type(name)?;
        let array = match kind.as_str() {
            "f2" => self.read_halves(name, numbers)?,
            "f4" => self.read(name, numbers)?,
            "f8" => self.read::<f64>(name, numbers)?.mapv(|v| v as f32),
            other => return Err(self.invalid(name, "numbers of type f2, f4 or f8", other)),
        };
        self.matrix(name, array)
    }

    /// An array of any usual number type.
    fn any_numbers(&mut self, name: &str) -> Result<ArrayD<f64>> {
        let (kind, numbers) = self.number_type(name)?;
        macro_rules! as_f64 {
            ($number:ty) => {
                self.read::<$number>(name, numbers)?.mapv(|v| v as f64)
            };
        }
        Ok(match kind.as_str() {
            "f2" => self.read_halves(name, numbers)?.mapv(f64::from),
            "f4" => as_f64!(f32),
            "f8" => as_f64!(f64),
            "i1" => as_f64!(i8),
            "i2" => as_f64!(i16),
            "i4" => as_f64!(i32),
            "i8" => as_f64!(i64),
            "u1" => as_f64!(u8),
            "u2" => as_f64!(u16),
            "u4" => as_f64!(u32),
            "u8" => as_f64!(u64),
            other => return Err(self.invalid(name, "integers or floats", other)),
        })
    }

    /// A matrix of any usual number type.
    pub(super) fn numbers(&mut self, name: &str) -> Result<Array2<f64>> {
        let array = self.any_numbers(name)?;
        self.matrix(name, array)
    }

    fn matrix<A>(&self, name: &str, array: ArrayD<A>) -> Result<Array2<A>> {
        let shape = format!("shape {:?}", array.shape());
        array.into_dimensionality::<Ix2>().map_err(|_| self.invalid(name, "two dimensions", shape))
    }

    /// A count, such as of pixels.
    ///
    /// It is an array of one whole number above 0, of any shape.
    pub(super) fn count(&mut self, name: &str, what: &str) -> Result<u32> {
        let array = self.any_numbers(name)?;
        let expected = format!("one whole number of {what} above 0");
        match *array.iter().copied().collect::<Vec<_>>().as_slice() {
            [v] if v.fract() == 0.0 && v >= 1.0 && v <= f64::from(u32::MAX) => Ok(v as u32),
            [v] => Err(self.invalid(name, expected, v)),
            _ => Err(self.invalid(name, expected, format!("shape {:?}", array.shape()))),
        }
    }

    /// A short text in ASCII, one number a letter, if there is one.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        if !self.has(name) {
            return Ok(None);
        }
        let letters = self.any_numbers(name)?;
        let letter = |&v: &f64| (v.fract() == 0.0 && (32.0..127.0).contains(&v)).then_some(char::from(v as u8));
        let text = letters.iter().take(MAX_TEXT + 1).map(letter).collect::<Option<String>>();
        let text = text.filter(|text| !text.is_empty() && text.len() <= MAX_TEXT);
        let expected = format!("1 to {MAX_TEXT} letters of ASCII");
        Ok(Some(text.ok_or_else(|| self.invalid(name, expected, "other numbers"))?))
    }
}
