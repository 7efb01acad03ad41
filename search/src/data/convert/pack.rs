//! Published region features into the packed features that training reads.
//!
//! They come as one `.npz` an image or as a table of many images.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mmnas_bundle::npz::{self, NpzFeatures};
use mmnas_bundle::{Error as BundleError, FeatureWriter, NewFolder, RegionFeatures, sha256_hex};
use rayon::prelude::*;

use crate::data::convert::conversion;
use crate::data::convert::region_table::{Line, RegionTable, Row};
use crate::error::Result;

/// A shard ends when it holds this many bytes of features.
const SHARD_BYTES: usize = 512 << 20;
/// Number of images that are decoded at once.
const BATCH: usize = 64;
/// Source name of features that do not name their own.
pub const PUBLISHED_SOURCE: &str = "published bottom-up-attention features";

/// Settings of [`pack`].
#[derive(Debug, Clone, Copy)]
pub struct PackSettings<'a> {
    /// Largest number of regions of an image; the first are kept.
    pub max_regions: NonZeroUsize,
    /// Name of what made the features.
    ///
    /// It keeps networks that were trained on features of one source apart from others. Without it,
    /// files that `mmnas extract` wrote keep the vision stage that they name. Others are of
    /// [`PUBLISHED_SOURCE`].
    pub source: Option<&'a str>,
    /// The columns of tables.
    ///
    /// They are needed if neither a first line of names nor their number identifies them.
    pub columns: Option<&'a [String]>,
}

/// Counts of what [`pack`] wrote.
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
    /// Number of files in the folders that are no `.npz`.
    pub passed_over: usize,
}

/// Substitute for the SHA-256 of the vision graph, for features of another `source`.
///
/// No graph has it. So a bundle of a network that was trained on these features cannot be given a
/// vision stage that they are not from.
pub fn source_sha256(source: &str) -> String {
    sha256_hex(format!("npz{source}").as_bytes())
}

/// The `.npz` files in folders and below.
#[derive(Default)]
struct NpzFiles {
    /// Files by the names of their images: the text before `.npz`, with the folders below.
    by_image: BTreeMap<String, PathBuf>,
    passed_over: usize,
    /// Folders that were listed, as a link may lead back to one.
    seen: HashSet<PathBuf>,
}

impl NpzFiles {
    /// Adds the files of a folder, at least one.
    fn add(&mut self, folder: &Path) -> Result<()> {
        let before = self.by_image.len();
        self.add_below(folder, "")?;
        if self.by_image.len() == before {
            return Err(BundleError::invalid(folder, "(files)", "at least one file NAME.npz", "none").into());
        }
        Ok(())
    }

    fn add_below(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        if !self.seen.insert(folder.canonicalize().map_err(BundleError::io(folder, "list"))?) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).map_err(BundleError::io(folder, "list"))? {
            let path = entry.map_err(BundleError::io(folder, "list"))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                if !path.is_dir() && !npz::is_called_npz(&path) {
                    self.passed_over += 1;
                    continue;
                }
                return Err(BundleError::invalid(folder, "(names)", "file names in UTF-8", format!("{path:?}")).into());
            };
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                self.add_below(&path, &(name + "/"))?;
                continue;
            }
            let Some(image) = name.strip_suffix(".npz").filter(|image| !image.is_empty() && !image.ends_with('/'))
            else {
                self.passed_over += 1;
                continue;
            };
            let found = format!("{}, which is of the image {image:?} too", path.display());
            if let Some(other) = self.by_image.insert(image.to_owned(), path) {
                return Err(BundleError::invalid(other, "(name)", "one file an image", found).into());
            }
        }
        Ok(())
    }
}

/// The packed features that are written, at most one shard in memory.
struct Writer<'a> {
    folder: &'a Path,
    source: Option<&'a str>,
    shard_bytes: usize,
    begun: Option<Begun>,
    /// File and place that each image comes from.
    images: HashMap<String, String>,
    shard: Vec<(String, RegionFeatures)>,
    bytes: usize,
    packed: Packed,
}

/// The settings that the first image fixes.
struct Begun {
    writer: FeatureWriter,
    first: String,
    vision_sha256: Option<String>,
}

impl Writer<'_> {
    /// Adds an image that comes from `file`, and there from `place`.
    fn add(&mut self, name: String, found: NpzFeatures, (file, place): (&Path, &str)) -> Result<()> {
        let from = format!("{}{place}", file.display());
        let begun = match &self.begun {
            Some(begun) => begun,
            None => {
                self.packed.feature = found.feature;
                let own = self.source.map(source_sha256).or_else(|| found.vision_sha256.clone());
                let sha256 = own.unwrap_or_else(|| source_sha256(PUBLISHED_SOURCE));
                let writer = FeatureWriter::new(self.folder, found.feature, sha256);
                let vision_sha256 = found.vision_sha256.clone();
                self.begun.insert(Begun { writer, first: from.clone(), vision_sha256 })
            }
        };
        let invalid = |field: &str, expected: String, found: String| {
            let field =
                format!("{}{field}", place.strip_prefix(": ").map_or(String::new(), |line| format!("{line}: ")));
            Err(BundleError::invalid(file, field, expected, found).into())
        };
        if found.feature != self.packed.feature {
            let expected = format!("{} features a region, as in {}", self.packed.feature, begun.first);
            return invalid("features", expected, found.feature.to_string());
        }
        if self.source.is_none() && found.vision_sha256 != begun.vision_sha256 {
            let told = |sha256: &Option<String>| sha256.clone().unwrap_or_else(|| "no vision stage named".to_owned());
            let expected =
                format!("{}, as in {} (--source gives all one name)", told(&begun.vision_sha256), begun.first);
            return invalid("vision_sha256", expected, told(&found.vision_sha256));
        }
        if let Some(other) = self.images.insert(name.clone(), from) {
            return invalid("(name)", "every image once".to_owned(), format!("{name:?}, which {other} has too"));
        }
        let size = 4 * found.regions.features.len();
        if self.bytes + size > self.shard_bytes && !self.shard.is_empty() {
            self.write_shard()?;
        }
        self.bytes += size;
        self.packed.images += 1;
        self.packed.regions += found.regions.boxes.len();
        self.shard.push((name, found.regions));
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        if let Some(begun) = &mut self.begun {
            begun.writer.write_shard(std::mem::take(&mut self.shard))?;
            self.packed.shards += 1;
            self.bytes = 0;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Packed> {
        self.write_shard()?;
        if let Some(begun) = self.begun {
            begun.writer.finish()?;
        }
        Ok(self.packed)
    }
}

/// Packs region features into the new folder `out`.
///
/// They come from the `.npz` files in the folders of `from` and below ([`npz`]), whose images are
/// named by the text before `.npz`. They also come from the lines of the tables in `from`, which
/// name their images. The tables have columns as bottom-up attention writes them. At most one shard
/// is held in memory.
///
/// # Errors
///
/// - Nothing to pack, or two files or lines of one image.
/// - A file that cannot be read as published.
/// - Features of different widths, or of different vision stages if no source is named.
pub fn pack(
    from: &[PathBuf],
    out: &Path,
    settings: PackSettings<'_>,
    progress: conversion::Progress<'_>,
) -> Result<Packed> {
    pack_in_shards(from, out, settings, SHARD_BYTES, progress)
}

fn pack_in_shards(
    from: &[PathBuf],
    out: &Path,
    settings: PackSettings<'_>,
    shard_bytes: usize,
    progress: conversion::Progress<'_>,
) -> Result<Packed> {
    let max_regions = settings.max_regions.get();
    let (folders, tables): (Vec<&PathBuf>, Vec<&PathBuf>) = from.iter().partition(|path| path.is_dir());
    let mut npz_files = NpzFiles::default();
    folders.iter().try_for_each(|folder| npz_files.add(folder))?;
    if from.is_empty() {
        let expected = "at least one folder of npz files, or a table";
        return Err(BundleError::invalid(out, "(folders)", expected, "none").into());
    }
    let target = NewFolder::create(out)?;
    let mut writer = Writer {
        folder: target.path(),
        source: settings.source,
        shard_bytes,
        begun: None,
        images: HashMap::new(),
        shard: Vec::new(),
        bytes: 0,
        packed: Packed { images: 0, regions: 0, feature: 0, shards: 0, passed_over: npz_files.passed_over },
    };
    let files: Vec<(String, PathBuf)> = npz_files.by_image.into_iter().collect();
    for batch in files.chunks(BATCH) {
        let found = batch.par_iter().map(|(_, file)| npz::read(file, max_regions)).collect::<Vec<_>>();
        for ((name, file), found) in batch.iter().zip(found) {
            writer.add(name.clone(), found?, (file, ""))?;
        }
        progress(writer.packed.images, files.len());
    }
    for file in tables {
        let bytes = file.metadata().map_err(BundleError::io(file, "read"))?.len();
        let mut table = RegionTable::open(file, settings.columns)?;
        loop {
            let mut lines: Vec<Line> = Vec::with_capacity(BATCH);
            while lines.len() < BATCH {
                let Some(line) = table.next_line()? else { break };
                lines.push(line);
            }
            if lines.is_empty() {
                break;
            }
            let rows = lines.par_iter().map(|line| table.decode(line, max_regions)).collect::<Vec<_>>();
            for (line, row) in lines.iter().zip(rows) {
                let Row { image, regions, feature } = row?;
                let found = NpzFeatures { regions, feature, vision_sha256: None };
                writer.add(image, found, (file, &format!(": line {}", line.number)))?;
            }
            // How many a table has is only known at its end.
            let done = writer.packed.images;
            progress(done, (done as f64 * bytes as f64 / table.bytes().max(1) as f64).ceil() as usize);
        }
    }
    let packed = writer.finish()?;
    target.finish()?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::FeatureStore;

    use super::*;

    /// Features `start + 10 · region + feature` of `n` regions of 3 features.
    fn regions(n: usize, start: f32) -> RegionFeatures {
        let rows = |region: usize| (0..3).map(move |k| start + 10.0 * region as f32 + k as f32);
        let corners = |region: usize| [0, 1, 2, 3].map(|k| (region + 10 * (k / 2)) as f32);
        let features = (0..n).flat_map(rows).collect();
        RegionFeatures { features, boxes: (0..n).map(corners).collect(), size: (640, 480) }
    }

    fn write(file: &Path, n: usize, start: f32) {
        npz::write(file, &regions(n, start), 3, None).unwrap();
    }

    /// A line of a table.
    fn line(image: &str, regions: &RegionFeatures) -> String {
        use base64::Engine as _;
        let base64 = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            base64::engine::general_purpose::STANDARD.encode(bytes)
        };
        let (boxes, features) = (base64(regions.boxes.as_flattened()), base64(&regions.features));
        format!("{image}\t640\t480\t{}\t{boxes}\t{features}\n", regions.boxes.len())
    }

    const SETTINGS: PackSettings<'static> =
        PackSettings { max_regions: NonZeroUsize::new(100).unwrap(), source: None, columns: None };

    fn run(from: &[&Path], out: &Path, source: Option<&str>) -> std::result::Result<Packed, String> {
        let from: Vec<PathBuf> = from.iter().map(|path| path.to_path_buf()).collect();
        pack(&from, out, PackSettings { source, ..SETTINGS }, &mut |_, _| {}).map_err(|e| e.to_string())
    }

    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (a, b, out) = (root.path().join("a"), root.path().join("b"), root.path().join("out"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        (root, a, b, out)
    }

    #[test]
    fn images_keep_their_names_and_are_found_by_those_of_published_data() {
        let (_root, a, b, out) = folders();
        std::fs::create_dir(a.join("below")).unwrap();
        for (k, file) in [
            "COCO_train2014_000000000009.jpg.npz",
            "cat_1.jpg.npz",
            "dog_1.jpg.npz",
            "1000092795.npz",
            "below/photo.jpg.npz",
        ]
        .iter()
        .enumerate()
        {
            // Never as many regions as features: such a file is refused.
            write(&a.join(file), [1, 2, 6, 4, 5][k], k as f32);
        }
        std::fs::write(
            b.join("t.tsv"),
            line("42", &regions(2, 9.0)) + &line("COCO_val2014_000000000043", &regions(1, 8.0)),
        )
        .unwrap();
        std::fs::write(a.join("readme.txt"), "no features").unwrap();
        let packed = run(&[&a, &b.join("t.tsv")], &out, None).unwrap();
        assert_eq!((packed.images, packed.passed_over), (7, 1));
        let store = FeatureStore::open(&out).unwrap();
        for (name, expected) in [
            ("9", regions(1, 0.0)),
            ("COCO_train2014_000000000009.jpg", regions(1, 0.0)),
            ("cat_1.jpg", regions(2, 1.0)),
            ("dog_1.jpg", regions(6, 2.0)),
            ("dog_1", regions(6, 2.0)),
            ("1000092795.jpg", regions(4, 3.0)),
            ("below/photo.jpg", regions(5, 4.0)),
            ("photo", regions(5, 4.0)),
            ("COCO_val2014_000000000042.jpg", regions(2, 9.0)),
            ("43", regions(1, 8.0)),
        ] {
            assert_eq!(store.get(name).unwrap(), expected, "{name}");
        }
        assert!(store.get("1").unwrap_err().to_string().contains("\"cat_1.jpg\", \"dog_1.jpg\""));
    }

    #[test]
    fn packed_features_are_those_of_the_files() {
        let (_root, a, b, out) = folders();
        write(&a.join("COCO_train2014_000000000009.jpg.npz"), 4, 0.0);
        write(&a.join("note_7.npz"), 1, 50.0);
        write(&b.join("COCO_val2014_000000000012.jpg.npz"), 5, 100.0);
        let mut calls = Vec::new();
        // Images come in the order of their names. Of 3, 3 and 1 regions of 12 bytes two fit a
        // shard.
        let settings = PackSettings { max_regions: NonZeroUsize::new(3).unwrap(), source: Some("test"), ..SETTINGS };
        let packed = pack_in_shards(&[a.clone(), b.clone()], &out, settings, 72, &mut |done, all| {
            calls.push((done, all));
        });
        assert_eq!(packed.unwrap(), Packed { images: 3, regions: 7, feature: 3, shards: 2, passed_over: 0 });
        assert_eq!(calls, [(3, 3)]);
        let store = FeatureStore::open(&out).unwrap();
        assert_eq!((store.len(), store.feature()), (3, 3));
        assert_eq!(store.vision_sha256(), sha256_hex(b"npztest"));
        for (name, file) in [
            ("9", a.join("COCO_train2014_000000000009.jpg.npz")),
            ("note_7", a.join("note_7.npz")),
            ("12", b.join("COCO_val2014_000000000012.jpg.npz")),
        ] {
            assert_eq!(store.get(name).unwrap(), npz::read(&file, 3).unwrap().regions, "{name}");
        }
    }

    #[test]
    fn features_keep_the_vision_stage_that_they_name() {
        let (_root, a, b, out) = folders();
        let named = |file: PathBuf, sha256: &str| npz::write(&file, &regions(2, 0.0), 3, Some(sha256)).unwrap();
        named(a.join("1.png.npz"), "0a");
        named(a.join("2.png.npz"), "0a");
        run(&[&a], &out, None).unwrap();
        assert_eq!(FeatureStore::open(&out).unwrap().vision_sha256(), "0a");
        named(b.join("3.png.npz"), "0b");
        let error = run(&[&a, &b], &out.with_extension("2"), None).unwrap_err();
        assert!(
            error.contains("3.png.npz: vision_sha256: expected 0a, as in") && error.contains("found 0b"),
            "{error}"
        );
        write(&a.join("0.png.npz"), 2, 0.0);
        let error = run(&[&a], &out.with_extension("2"), None).unwrap_err();
        assert!(error.contains("1.png.npz: vision_sha256: expected no vision stage named, as in"), "{error}");
        run(&[&a, &b], &out.with_extension("2"), Some("mine")).unwrap();
        assert_eq!(FeatureStore::open(&out.with_extension("2")).unwrap().vision_sha256(), source_sha256("mine"));
    }

    #[test]
    fn what_cannot_be_packed_is_named_and_leaves_nothing() {
        let (root, a, b, out) = folders();
        assert!(run(&[&a], &out, None).unwrap_err().contains("NAME.npz"));
        assert!(run(&[], &out, None).is_err());
        assert!(run(&[&a.join("none.tsv")], &out, None).unwrap_err().contains("none.tsv: cannot read"));
        write(&a.join("9.jpg.npz"), 2, 0.0);
        write(&b.join("9.jpg.npz"), 2, 0.0);
        let error = run(&[&a, &b], &out, None).unwrap_err();
        let names = [a.join("9.jpg.npz"), b.join("9.jpg.npz")].map(|file| file.display().to_string());
        assert!(names.iter().all(|name| error.contains(name)) && error.contains("\"9.jpg\""), "{error}");
        std::fs::remove_file(b.join("9.jpg.npz")).unwrap();
        let wider = RegionFeatures { features: vec![1.0; 10], boxes: vec![[0.0, 0.0, 5.0, 5.0]; 2], size: (5, 5) };
        npz::write(&b.join("z.npz"), &wider, 5, None).unwrap();
        let error = run(&[&a, &b], &out, None).unwrap_err();
        assert!(error.contains("z.npz: features: expected 3 features") && error.contains("found 5"), "{error}");
        let table = b.join("t.tsv");
        std::fs::write(&table, line("8", &regions(1, 0.0)) + &line("9.jpg", &regions(1, 0.0))).unwrap();
        let error = run(&[&a, &table], &out, None).unwrap_err();
        assert!(error.contains("t.tsv: line 2: (name): expected every image once"), "{error}");
        assert!(!out.exists() && std::fs::read_dir(root.path()).unwrap().count() == 2);
    }
}
