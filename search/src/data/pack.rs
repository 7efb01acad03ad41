//! Published region features, one `.npz` an image, into the packed features that training reads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mmnas_bundle::{Error as BundleError, FeatureWriter, NewFolder, RegionFeatures, npz, sha256_hex};
use rayon::prelude::*;

use super::conversion;
use crate::Result;

/// A shard ends when it holds this many bytes of features.
const SHARD_BYTES: usize = 512 << 20;
/// Files that are decoded at once.
const BATCH: usize = 64;

/// What [`pack`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Number of images.
    pub images: usize,
    /// Number of regions of all images.
    pub regions: usize,
    /// D, width of a region's features.
    pub feature: usize,
    /// Number of shards.
    pub shards: usize,
}

/// What stands in for the SHA-256 of the vision graph where features come from elsewhere, under the name `source`. No
/// graph has it, so no bundle of a network that was trained on them can be given a vision stage that they are not from.
pub fn source_sha256(source: &str) -> String {
    sha256_hex(format!("npz{source}").as_bytes())
}

/// The name of the image of a file: its id in decimal, without leading zeros, where the file is called
/// `…_<id>.jpg.npz` or `COCO_…_<id>.npz`, else what stands before `.npz`. None where that is nothing.
pub fn image_name(file: &str) -> Option<String> {
    let name = file.strip_suffix(".npz")?;
    let numbered = name.strip_suffix(".jpg").or(name.starts_with("COCO_").then_some(name));
    let id = numbered.and_then(|name| name.rsplit_once('_')).map(|(_, id)| id);
    let name = match id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) {
        Some(id) => match id.trim_start_matches('0') {
            "" => "0",
            id => id,
        },
        None => name,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The `.npz` files that lie in the folders themselves, by the names of their images.
fn find(folders: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in folders {
        let before = files.len();
        for entry in std::fs::read_dir(folder).map_err(BundleError::io(folder, "list"))? {
            let path = entry.map_err(BundleError::io(folder, "list"))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(image_name) else { continue };
            let found = format!("{}, which is of the image {name:?} too", path.display());
            if let Some(other) = files.insert(name, path) {
                return Err(BundleError::invalid(other, "(name)", "one file an image", found).into());
            }
        }
        if files.len() == before {
            return Err(BundleError::invalid(folder, "(files)", "at least one file NAME.npz", "none").into());
        }
    }
    Ok(files)
}

/// Packs the `.npz` files that lie in `folders` (see the published layout in `search/SEARCH.md`) into the new folder `out`.
/// Of an image the first `max_regions` regions are kept. `source` names what made the features: networks that were
/// trained on features of one source are told from others by it. At most one shard is held in memory.
///
/// # Errors
/// No file; two files of one image; a file that cannot be read as in the published layout; features of different widths.
pub fn pack(
    folders: &[PathBuf],
    out: &Path,
    max_regions: NonZeroUsize,
    source: &str,
    progress: conversion::Progress<'_>,
) -> Result<Packed> {
    pack_in_shards(folders, out, (max_regions.get(), source), SHARD_BYTES, progress)
}

fn pack_in_shards(
    folders: &[PathBuf],
    out: &Path,
    (max_regions, source): (usize, &str),
    shard_bytes: usize,
    progress: conversion::Progress<'_>,
) -> Result<Packed> {
    let files: Vec<(String, PathBuf)> = find(folders)?.into_iter().collect();
    let Some((_, first)) = files.first() else {
        return Err(BundleError::invalid(out, "(folders)", "at least one folder of npz files", "none").into());
    };
    let (_, feature) = npz::read(first, max_regions)?;
    let folder = NewFolder::create(out)?;
    let mut writer = FeatureWriter::new(folder.path(), feature, source_sha256(source));
    let mut packed = Packed { images: files.len(), regions: 0, feature, shards: 0 };
    let read = |(name, file): &(String, PathBuf)| -> Result<(String, RegionFeatures)> {
        let (regions, d) = npz::read(file, max_regions)?;
        if d != feature {
            let expected = format!("{feature} features a region, as in {}", first.display());
            return Err(BundleError::invalid(file, "x", expected, d).into());
        }
        Ok((name.clone(), regions))
    };
    let (mut shard, mut bytes) = (Vec::new(), 0);
    let mut done = 0;
    for batch in files.chunks(BATCH) {
        for image in batch.par_iter().map(read).collect::<Result<Vec<_>>>()? {
            let size = 4 * image.1.features.len();
            if bytes + size > shard_bytes && !shard.is_empty() {
                writer.write_shard(std::mem::take(&mut shard))?;
                packed.shards += 1;
                bytes = 0;
            }
            bytes += size;
            packed.regions += image.1.boxes.len();
            shard.push(image);
        }
        done += batch.len();
        progress(done, files.len());
    }
    writer.write_shard(shard)?;
    packed.shards += 1;
    writer.finish()?;
    folder.finish()?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::FeatureStore;

    use super::*;

    /// Features `start + 10 · region + feature` of `n` regions of 3 features.
    fn write(file: &Path, n: usize, start: f32) {
        let rows = |region: usize| (0..3).map(move |k| start + 10.0 * region as f32 + k as f32);
        let corners = |region: usize| [0, 1, 2, 3].map(|k| (region + 10 * (k / 2)) as f32);
        let features = (0..n).flat_map(rows).collect();
        let regions = RegionFeatures { features, boxes: (0..n).map(corners).collect(), size: (640, 480) };
        npz::write(file, &regions, 3).unwrap();
    }

    fn run(folders: &[&Path], out: &Path) -> std::result::Result<Packed, String> {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
        pack(&folders, out, NonZeroUsize::new(100).unwrap(), "test", &mut |_, _| {}).map_err(|e| e.to_string())
    }

    #[test]
    fn images_are_named_by_their_ids() {
        for (file, name) in [
            ("COCO_train2014_000000000009.jpg.npz", Some("9")),
            ("COCO_val2014_000000581857.npz", Some("581857")),
            ("x_0.jpg.npz", Some("0")),
            ("1000092795.npz", Some("1000092795")),
            ("photo_12.npz", Some("photo_12")),
            ("photo.jpg.npz", Some("photo.jpg")),
            ("a_.jpg.npz", Some("a_.jpg")),
            (".npz", None),
            ("a.npy", None),
        ] {
            assert_eq!(image_name(file).as_deref(), name, "{file}");
        }
    }

    #[test]
    fn packed_features_are_those_of_the_files() {
        let root = tempfile::tempdir().unwrap();
        let (a, b, out) = (root.path().join("a"), root.path().join("b"), root.path().join("out"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        write(&a.join("COCO_train2014_000000000009.jpg.npz"), 4, 0.0);
        write(&a.join("note_7.npz"), 1, 50.0);
        write(&b.join("COCO_val2014_000000000012.jpg.npz"), 3, 100.0);
        std::fs::write(b.join("readme.txt"), "no features").unwrap();
        let mut calls = Vec::new();
        // Images come in the order of their names: 12, 9, note_7. Of 3, 3 and 1 regions of 12 bytes two fit a shard.
        let packed = pack_in_shards(&[a.clone(), b.clone()], &out, (3, "test"), 72, &mut |done, all| {
            calls.push((done, all));
        });
        assert_eq!(packed.unwrap(), Packed { images: 3, regions: 7, feature: 3, shards: 2 });
        assert_eq!(calls, [(3, 3)]);
        let store = FeatureStore::open(&out).unwrap();
        assert_eq!((store.len(), store.feature()), (3, 3));
        assert_eq!(store.vision_sha256(), sha256_hex(b"npztest"));
        for (name, file) in [
            ("9", a.join("COCO_train2014_000000000009.jpg.npz")),
            ("note_7", a.join("note_7.npz")),
            ("12", b.join("COCO_val2014_000000000012.jpg.npz")),
        ] {
            assert_eq!(store.get(name).unwrap(), npz::read(&file, 3).unwrap().0, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_packed_is_named_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (a, b, out) = (root.path().join("a"), root.path().join("b"), root.path().join("out"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        assert!(run(&[&a], &out).unwrap_err().contains("NAME.npz"));
        assert!(run(&[], &out).is_err());
        write(&a.join("x_9.jpg.npz"), 2, 0.0);
        write(&b.join("y_009.jpg.npz"), 2, 0.0);
        let error = run(&[&a, &b], &out).unwrap_err();
        assert!(error.contains("x_9.jpg.npz") && error.contains("y_009.jpg.npz") && error.contains("\"9\""), "{error}");
        std::fs::remove_file(b.join("y_009.jpg.npz")).unwrap();
        let wider = RegionFeatures { features: vec![0.0; 10], boxes: vec![[0.0; 4]; 2], size: (5, 5) };
        npz::write(&b.join("z.npz"), &wider, 5).unwrap();
        let error = run(&[&a, &b], &out).unwrap_err();
        assert!(error.contains("z.npz: x: expected 3 features") && error.contains("found 5"), "{error}");
        assert!(!out.exists() && std::fs::read_dir(root.path()).unwrap().count() == 2);
    }
}
