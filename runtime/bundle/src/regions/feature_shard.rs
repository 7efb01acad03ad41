//! One file of region features, open to read an image at a time.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::boxes::BoxXyxy;
use crate::error::{Error, Result};
use crate::files::open;
use crate::regions::region_features::RegionFeatures;

const MAX_HEADER_BYTES: u64 = 1 << 20;

/// A file of which boxes and offsets are in memory and features are not.
pub(crate) struct OpenShard {
    path: PathBuf,
    file: File,
    features_at: u64,
    boxes: Vec<BoxXyxy>,
    offsets: Vec<u64>,
    sizes: Vec<(u32, u32)>,
}

impl OpenShard {
    /// Reads all but the features of a file of `images` images.
    pub(crate) fn open(path: &Path, feature: usize, images: usize) -> Result<OpenShard> {
        let damaged = |field: &str, expected: String, found: String| Error::invalid(path, field, expected, found);
        let (mut file, length) = open(path)?;
        let mut prefix = [0u8; 8];
        file.read_exact(&mut prefix).map_err(Error::io(path, "read"))?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER_BYTES || header.saturating_add(8) > length {
            return Err(damaged("(header)", format!("at most {MAX_HEADER_BYTES} bytes"), header.to_string()));
        }
        let mut start = vec![0; header as usize];
        file.read_exact(&mut start).map_err(Error::io(path, "read"))?;
        let metadata: Metadata = serde_json::from_slice(&start).map_err(|e| Error::json(path, &e))?;
        let data = 8 + header;
        let section = |name: &str, shape: &[Option<usize>], dtype: Dtype| {
            let info = metadata.info(name).ok_or_else(|| damaged(name, "a tensor".into(), "none".into()))?;
            let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
            let shape_fits =
                info.shape.len() == shape.len() && info.shape.iter().zip(shape).all(|(a, b)| b.is_none_or(|b| *a == b));
            let numbers = info.shape.iter().try_fold(1u64, |n, &side| n.checked_mul(side as u64));
            let bytes = numbers.and_then(|n| n.checked_mul(if dtype == Dtype::I64 { 8 } else { 4 }));
            // The header's numbers are a stranger's: none is used before it fits the others and the file.
            let inside = from <= to && bytes == Some(to - from) && to <= length - data;
            if info.dtype != dtype || !shape_fits || !inside {
                let expected = format!("{dtype:?} {shape:?} inside the file");
                return Err(damaged(name, expected, format!("{:?} {:?} at {from}", info.dtype, info.shape)));
            }
            Ok((data + from, (to - from) as usize, info.shape.clone()))
        };
        let bytes = |name: &str, shape: &[Option<usize>], dtype: Dtype| {
            let (at, len, _) = section(name, shape, dtype)?;
            read_at(&file, path, at, len)
        };
        let (features_at, _, shape) = section("features", &[None, Some(feature)], Dtype::F32)?;
        let boxes = bytes("boxes", &[Some(shape[0]), Some(4)], Dtype::F32)?;
        let boxes = floats(&boxes).as_chunks::<4>().0.to_vec();
        let integers =
            |content: Vec<u8>| content.as_chunks::<8>().0.iter().map(|c| i64::from_le_bytes(*c)).collect::<Vec<i64>>();
        let offsets = integers(bytes("offsets", &[Some(images + 1)], Dtype::I64)?);
        let ordered = offsets.first() == Some(&0)
            && offsets.windows(2).all(|w| w[0] < w[1])
            && offsets.last() == Some(&(shape[0] as i64));
        if !ordered {
            return Err(damaged(
                "offsets",
                format!("rising from 0 to {}, at least one region an image", shape[0]),
                "another order".into(),
            ));
        }
        let sizes = integers(bytes("sizes", &[Some(images), Some(2)], Dtype::I64)?);
        let side = |v: i64| u32::try_from(v).map_err(|_| damaged("sizes", "pixels".into(), v.to_string()));
        let sizes = sizes.chunks_exact(2).map(|s| Ok((side(s[0])?, side(s[1])?))).collect::<Result<_>>()?;
        let offsets = offsets.into_iter().map(|v| v as u64).collect();
        Ok(OpenShard { path: path.to_path_buf(), file, features_at, boxes, offsets, sizes })
    }

    /// Width and height of the image `row` in pixels.
    pub(crate) fn size(&self, row: usize) -> (u32, u32) {
        self.sizes[row]
    }

    /// The regions of the image `row`, which is called `name`.
    pub(crate) fn read(&self, name: &str, row: usize, feature: usize) -> Result<RegionFeatures> {
        let (from, to) = (self.offsets[row], self.offsets[row + 1]);
        let width = 4 * feature as u64;
        let content = read_at(&self.file, &self.path, self.features_at + from * width, ((to - from) * width) as usize)?;
        let (features, boxes) = (floats(&content), self.boxes[from as usize..to as usize].to_vec());
        for (what, numbers, width) in [("features", features.as_slice(), feature), ("boxes", boxes.as_flattened(), 4)] {
            if let Some(at) = numbers.iter().position(|v| !v.is_finite()) {
                let found = format!("{} for region {}", numbers[at], at / width);
                return Err(Error::invalid(&self.path, format!("{what} of {name:?}"), "finite numbers", found));
            }
        }
        Ok(RegionFeatures { features, boxes, size: self.sizes[row] })
    }
}

fn floats(content: &[u8]) -> Vec<f32> {
    content.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()
}

/// Reads `len` bytes at an offset.
///
/// Positional reads need no lock and, unlike a memory map, turn a file that shrinks under us into an error.
#[cfg(unix)]
fn read_at(file: &File, path: &Path, at: u64, len: usize) -> Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut content = vec![0; len];
    file.read_exact_at(&mut content, at).map_err(Error::io(path, "read"))?;
    Ok(content)
}

#[cfg(windows)]
fn read_at(file: &File, path: &Path, at: u64, len: usize) -> Result<Vec<u8>> {
    use std::os::windows::fs::FileExt;
    let mut content = vec![0; len];
    let mut done = 0;
    while done < len {
        match file.seek_read(&mut content[done..], at + done as u64).map_err(Error::io(path, "read"))? {
            0 => return Err(Error::io(path, "read")(std::io::ErrorKind::UnexpectedEof.into())),
            n => done += n,
        }
    }
    Ok(content)
}
