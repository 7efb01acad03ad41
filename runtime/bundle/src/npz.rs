//! Region features as the published tools write them, one `.npz` an image: `x` (D × n, f32), `bbox` (n × 4, corners in
//! pixels), `image_h` and `image_w`.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use ndarray::{Array2, ArrayD, ArrayView2, Ix2, arr0, s};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{NpzWriter, ReadNpyExt, ReadableElement};
use zip::ZipArchive;

use crate::boxes::{BOX_EXPECTED, BoxXyxy, is_box};
use crate::files::open;
use crate::{Error, RegionFeatures, Result, write_atomically};

/// A header above this length is an error: those of plain arrays have 128 bytes or less.
const MAX_HEADER_BYTES: u64 = 512;
/// Arrays of more numbers are an error, not an allocation.
const MAX_NUMBERS: usize = 1 << 26;

/// An opened file.
struct Npz<'a> {
    file: &'a Path,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz<'_> {
    fn open(file: &Path) -> Result<Npz<'_>> {
        let (opened, _) = open(file)?;
        let archive = ZipArchive::new(BufReader::new(opened));
        Ok(Npz { file, archive: archive.map_err(|e| Error::invalid(file, "(archive)", "an npz archive", e))? })
    }

    fn invalid(&self, field: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        Error::invalid(self.file, field, expected, found)
    }

    fn entry(&mut self, name: &str) -> Result<impl Read> {
        let file = self.file;
        let missing = |e| Error::invalid(file, name, "an array of this name", e);
        self.archive.by_name(&format!("{name}.npy")).map_err(missing)
    }

    /// The number type of an array, as "f4" or "i8", and how many numbers it has: at most [`MAX_NUMBERS`].
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
        Ok((kind, numbers.unwrap_or_default()))
    }

    fn read<A: ReadableElement>(&mut self, name: &str, numbers: usize) -> Result<ArrayD<A>> {
        // The reader looks for what follows the numbers, and an archive may promise any length.
        let longest = MAX_HEADER_BYTES + 8 * numbers as u64 + 1;
        let entry = BufReader::new(self.entry(name)?.take(longest));
        ArrayD::read_npy(entry).map_err(|e| self.invalid(name, "the numbers that its header says", e))
    }

    /// An array of 32-bit floats.
    fn floats(&mut self, name: &str) -> Result<ArrayD<f32>> {
        let (kind, numbers) = self.number_type(name)?;
        match kind.as_str() {
            "f4" => self.read(name, numbers),
            other => Err(self.invalid(name, "numbers of type f4", other)),
        }
    }

    /// An array of any usual number type.
    fn numbers(&mut self, name: &str) -> Result<ArrayD<f64>> {
        let (kind, numbers) = self.number_type(name)?;
        macro_rules! as_f64 {
            ($number:ty) => {
                self.read::<$number>(name, numbers)?.mapv(|v| v as f64)
            };
        }
        Ok(match kind.as_str() {
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
            other => return Err(self.invalid(name, "integers or floats of 32 or 64 bits", other)),
        })
    }

    fn matrix<A>(&self, name: &str, array: ArrayD<A>) -> Result<ndarray::Array2<A>> {
        let shape = format!("shape {:?}", array.shape());
        array.into_dimensionality::<Ix2>().map_err(|_| self.invalid(name, "two dimensions", shape))
    }

    /// A number of pixels: an array of one number, of any shape.
    fn pixels(&mut self, name: &str) -> Result<u32> {
        let array = self.numbers(name)?;
        let expected = "one whole number of pixels above 0";
        match *array.iter().copied().collect::<Vec<_>>().as_slice() {
            [v] if v.fract() == 0.0 && v >= 1.0 && v <= f64::from(u32::MAX) => Ok(v as u32),
            [v] => Err(self.invalid(name, expected, v)),
            _ => Err(self.invalid(name, expected, format!("shape {:?}", array.shape()))),
        }
    }
}

/// Reads `x` (D × n, f32), `bbox` (n × 4, corners in pixels), `image_h` and `image_w` of `file`; of more than
/// `max_regions` regions the first are kept. Returns the regions and D.
///
/// # Errors
/// A missing array; shapes that do not fit each other; no region; a number that is not finite; a box whose corners are the
/// wrong way round.
pub fn read(file: &Path, max_regions: usize) -> Result<(RegionFeatures, usize)> {
    let mut npz = Npz::open(file)?;
    let boxes = npz.numbers("bbox")?;
    let boxes = npz.matrix("bbox", boxes)?;
    let (n, corners) = boxes.dim();
    if corners != 4 || n == 0 {
        return Err(npz.invalid("bbox", "n × 4 numbers, n ≥ 1", format!("{n} × {corners}")));
    }
    let features = npz.floats("x")?;
    let features = npz.matrix("x", features)?;
    let (d, columns) = features.dim();
    if columns != n || d == 0 {
        return Err(npz.invalid("x", format!("D × {n} numbers, as bbox has {n} boxes"), format!("{d} × {columns}")));
    }
    let kept = n.min(max_regions);
    let rows: Vec<f32> = features.slice(s![.., ..kept]).t().iter().copied().collect();
    if let Some(at) = rows.iter().position(|v| !v.is_finite()) {
        return Err(npz.invalid("x", "finite numbers", format!("{} for region {}", rows[at], at / d)));
    }
    let corners = |row: ndarray::ArrayView1<'_, f64>| [row[0], row[1], row[2], row[3]].map(|v| v as f32);
    let boxes: Vec<BoxXyxy> = boxes.outer_iter().take(kept).map(corners).collect();
    if let Some(at) = boxes.iter().position(|b| !is_box(b)) {
        return Err(npz.invalid("bbox", BOX_EXPECTED, format!("{:?} for region {at}", boxes[at])));
    }
    let size = (npz.pixels("image_w")?, npz.pixels("image_h")?);
    Ok((RegionFeatures { features: rows, boxes, size }, d))
}

/// Writes the regions of an image, `feature` numbers each, to the new file `file`: `bbox` in f32, `image_h` and `image_w` in
/// i64.
///
/// # Errors
/// Numbers that are not `feature` a box; a file that is in the way or cannot be written.
pub fn write(file: &Path, regions: &RegionFeatures, feature: usize) -> Result<()> {
    if file.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: file.to_path_buf() });
    }
    let n = regions.boxes.len();
    let found = format!("{} numbers", regions.features.len());
    let rows = ArrayView2::from_shape((n, feature), &regions.features);
    let rows = rows.map_err(|_| Error::invalid(file, "x", format!("{n} boxes × {feature} features"), found))?;
    // Row by row in the file, as the published tools leave it.
    let columns = rows.t().as_standard_layout().into_owned();
    let corners: Vec<f32> = regions.boxes.iter().flatten().copied().collect();
    let boxes = Array2::from_shape_vec((n, 4), corners);
    let boxes = boxes.map_err(|e| Error::invalid(file, "bbox", format!("{n} × 4 numbers"), e))?;
    let (width, height) = (i64::from(regions.size.0), i64::from(regions.size.1));
    let failed = |e: ndarray_npy::WriteNpzError| Error::io(file, "write")(std::io::Error::other(e));
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    writer.add_array("x", &columns).map_err(failed)?;
    writer.add_array("bbox", &boxes).map_err(failed)?;
    writer.add_array("image_h", &arr0(height)).map_err(failed)?;
    writer.add_array("image_w", &arr0(width)).map_err(failed)?;
    write_atomically(file, writer.finish().map_err(failed)?.get_ref())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ndarray::{Array0, Array1, ShapeBuilder};

    use super::*;

    /// Features `start + 10 · region + feature` of `n` regions of 3 features, as the published tools write them.
    fn write_published(file: &Path, n: usize, start: f32) {
        let x = Array2::from_shape_fn((3, n), |(k, region)| start + 10.0 * region as f32 + k as f32);
        let boxes = Array2::from_shape_fn((n, 4), |(region, k)| (region + 10 * (k / 2)) as f32);
        write_arrays(file, &x, &boxes, &arr0(480i64), &arr0(640i32));
    }

    fn write_arrays<H: ndarray_npy::WritableElement, W: ndarray_npy::WritableElement>(
        file: &Path,
        x: &Array2<f32>,
        boxes: &Array2<f32>,
        h: &Array0<H>,
        w: &Array0<W>,
    ) {
        let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        let mut writer = NpzWriter::new_with_options(File::create(file).unwrap(), deflated);
        writer.add_array("x", x).unwrap();
        writer.add_array("bbox", boxes).unwrap();
        writer.add_array("image_h", h).unwrap();
        writer.add_array("image_w", w).unwrap();
        writer.finish().unwrap();
    }

    fn error(file: &Path) -> String {
        read(file, 100).unwrap_err().to_string()
    }

    #[test]
    fn columns_become_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.npz");
        write_published(&file, 4, 0.5);
        let (regions, d) = read(&file, 100).unwrap();
        assert_eq!((d, regions.size, regions.boxes.len()), (3, (640, 480), 4));
        assert_eq!(regions.features[..6], [0.5, 1.5, 2.5, 10.5, 11.5, 12.5]);
        assert_eq!(regions.boxes[2], [2.0, 2.0, 12.0, 12.0]);
        let (cut, _) = read(&file, 2).unwrap();
        assert_eq!((cut.boxes.as_slice(), cut.features.as_slice()), (&regions.boxes[..2], &regions.features[..6]));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (published, ours) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
        write_published(&published, 4, 0.5);
        let (regions, d) = read(&published, 100).unwrap();
        write(&ours, &regions, d).unwrap();
        assert_eq!(read(&ours, 100).unwrap(), (regions.clone(), 3));
        assert!(matches!(write(&ours, &regions, 3), Err(Error::Exists { .. })));
        assert!(write(&folder.path().join("c.npz"), &regions, 4).is_err());
    }

    #[test]
    fn column_major_arrays_and_other_number_types_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, other) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
        write_published(&plain, 4, 0.5);
        let x = Array2::from_shape_fn((3, 4).f(), |(k, region)| 0.5 + 10.0 * region as f32 + k as f32);
        assert!(!x.is_standard_layout());
        let boxes = Array2::from_shape_fn((4, 4), |(region, k)| (region + 10 * (k / 2)) as f64);
        let mut writer = NpzWriter::new(File::create(&other).unwrap());
        writer.add_array("x", &x).unwrap();
        writer.add_array("bbox", &boxes).unwrap();
        writer.add_array("image_h", &Array1::from_vec(vec![480.0f32])).unwrap();
        writer.add_array("image_w", &arr0(640u16)).unwrap();
        writer.finish().unwrap();
        assert_eq!(read(&plain, 100).unwrap(), read(&other, 100).unwrap());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.npz");
        let (x, boxes) = (Array2::<f32>::zeros((3, 4)), Array2::<f32>::zeros((4, 4)));
        let with = |x: &Array2<f32>, boxes: &Array2<f32>, h: f64| {
            write_arrays(&file, x, boxes, &arr0(h), &arr0(9i64));
            error(&file)
        };
        let found = with(&x.t().to_owned(), &boxes, 5.0);
        assert!(found.contains("a.npz: x: expected D × 4") && found.contains("found 4 × 3"), "{found}");
        assert!(with(&x, &Array2::zeros((4, 5)), 5.0).contains("bbox: expected n × 4"));
        assert!(with(&Array2::zeros((3, 0)), &Array2::zeros((0, 4)), 5.0).contains("n ≥ 1"));
        assert!(with(&x, &boxes, 0.0).contains("image_h"));
        assert!(with(&x, &boxes, 5.5).contains("found 5.5"));
        let mut bad = x.clone();
        bad[[1, 2]] = f32::NAN;
        assert!(with(&bad, &boxes, 5.0).contains("x: expected finite numbers, found NaN for region 2"));
        let mut bad = boxes.clone();
        bad[[3, 0]] = 1.0;
        assert!(with(&x, &bad, 5.0).contains("for region 3"));
        std::fs::write(&file, "no archive").unwrap();
        assert!(error(&file).contains("an npz archive"));
        let mut writer = NpzWriter::new(File::create(&file).unwrap());
        writer.add_array("bbox", &boxes).unwrap();
        writer.finish().unwrap();
        assert!(error(&file).contains("a.npz: x: expected an array of this name"));
        let mut writer = NpzWriter::new(File::create(&file).unwrap());
        writer.add_array("bbox", &boxes).unwrap();
        writer.add_array("x", &Array2::<f64>::zeros((3, 4))).unwrap();
        writer.finish().unwrap();
        assert!(error(&file).contains("x: expected numbers of type f4, found f8"));
    }

    #[test]
    fn what_follows_the_numbers_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.npz");
        // A gigabyte of zeros behind sixteen numbers, deflated to a megabyte.
        let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        archive.start_file("bbox.npy", deflated).unwrap();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }\n";
        archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
        archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        archive.write_all(header.as_bytes()).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..1024).for_each(|_| archive.write_all(&zeros).unwrap());
        archive.finish().unwrap();
        let start = std::time::Instant::now();
        assert!(error(&file).contains("bbox: expected the numbers that its header says"));
        assert!(start.elapsed().as_secs() < 5);
        assert!(read(folder.path(), 9).unwrap_err().to_string().contains("a regular file"));
    }

    #[test]
    fn a_header_that_promises_too_much_is_an_error_before_anything_is_allocated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.npz");
        let put = |header: &str| {
            let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
            archive.start_file("bbox.npy", zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
            archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
            archive.write_all(header.as_bytes()).unwrap();
            archive.write_all(&[0; 64]).unwrap();
            archive.finish().unwrap();
            error(&file)
        };
        let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        assert!(put(&header("(4, 4)")).contains("x: expected an array"), "the header is one that is read");
        assert!(put(&header("(1099511627776, 4)")).contains("at most"));
        assert!(put(&header("(4611686018427387904, 4)")).contains("at most"));
        assert!(put(&header("(5, 4)")).contains("the numbers that its header says"));
        assert!(put(&header(&"(".repeat(20_000))).contains("bbox: expected an array"));
    }
}
