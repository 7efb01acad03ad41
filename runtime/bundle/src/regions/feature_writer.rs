//! Writes region features of many images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::{Error, Result};
use crate::files::{inside, read_text, write_atomically};
use crate::manifest::format::Format;
use crate::regions::feature_shard::OpenShard;
use crate::regions::features::{FORMAT, FeatureIndex, FeatureShard, INDEX, MAX_INDEX_BYTES};
use crate::regions::region_features::RegionFeatures;

/// What the index is called until the last shard is written.
const UNFINISHED: &str = "unfinished.json";

/// Writes shards, then the index.
#[derive(Debug)]
pub struct FeatureWriter {
    folder: PathBuf,
    index: FeatureIndex,
}

impl FeatureWriter {
    /// Writes into `folder`, which must exist.
    pub fn new(folder: &Path, feature: usize, vision_sha256: String) -> FeatureWriter {
        let format = Format::current(FORMAT);
        FeatureWriter {
            folder: folder.to_path_buf(),
            index: FeatureIndex { format, feature, vision_sha256, shards: Vec::new() },
        }
    }

    /// Resumes a writer of the same features that did not finish.
    ///
    /// Returns the names of the images that it left in `folder` too. If other features lie there, it begins anew as
    /// [`FeatureWriter::new`].
    pub fn resume(folder: &Path, feature: usize, vision_sha256: String) -> (FeatureWriter, Vec<String>) {
        let mut writer = FeatureWriter::new(folder, feature, vision_sha256);
        let left = read_text(&folder.join(UNFINISHED), MAX_INDEX_BYTES).ok();
        let left = left.and_then(|text| serde_json::from_str::<FeatureIndex>(&text).ok());
        let fits = |left: &FeatureIndex| {
            let same = left.format.name == FORMAT
                && left.format.major == writer.index.format.major
                && left.feature == feature
                && left.vision_sha256 == writer.index.vision_sha256;
            // Shards that can be opened have what they say.
            same && left.shards.iter().all(|shard| {
                let path = inside(folder, &shard.file, folder, "shards");
                path.is_ok_and(|path| OpenShard::open(&path, feature, shard.images.len()).is_ok())
            })
        };
        if let Some(left) = left.filter(fits) {
            writer.index = left;
        }
        let names = writer.index.shards.iter().flat_map(|shard| shard.images.iter().cloned()).collect();
        (writer, names)
    }

    /// Number of shards so far.
    pub fn shards(&self) -> usize {
        self.index.shards.len()
    }

    /// Writes the next shard.
    ///
    /// # Errors
    /// Features that are not as many as the boxes ask for; a file that cannot be written.
    pub fn write_shard(&mut self, images: Vec<(String, RegionFeatures)>) -> Result<()> {
        let file = format!("features-{:05}.safetensors", self.index.shards.len());
        let path = self.folder.join(&file);
        let d = self.index.feature;
        let (mut features, mut boxes, mut offsets, mut sizes, mut names) =
            (Vec::new(), Vec::new(), vec![0i64], Vec::new(), Vec::new());
        for (name, regions) in images {
            if regions.features.len() != regions.boxes.len() * d {
                let expected = format!("{} boxes × {d} features", regions.boxes.len());
                return Err(Error::invalid(&path, name, expected, format!("{} numbers", regions.features.len())));
            }
            features.extend(regions.features.iter().flat_map(|v| v.to_le_bytes()));
            boxes.extend(regions.boxes.iter().flatten().flat_map(|v| v.to_le_bytes()));
            offsets.push(offsets[offsets.len() - 1] + regions.boxes.len() as i64);
            sizes.extend([i64::from(regions.size.0), i64::from(regions.size.1)]);
            names.push(name);
        }
        let rows = offsets[offsets.len() - 1] as usize;
        let bytes = |values: &[i64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (offset_bytes, size_bytes) = (bytes(&offsets), bytes(&sizes));
        let damaged = |e| Error::invalid(&path, "(tensors)", "consistent shapes", e);
        let views: BTreeMap<&str, TensorView<'_>> = BTreeMap::from([
            ("features", TensorView::new(Dtype::F32, vec![rows, d], &features).map_err(damaged)?),
            ("boxes", TensorView::new(Dtype::F32, vec![rows, 4], &boxes).map_err(damaged)?),
            ("offsets", TensorView::new(Dtype::I64, vec![offsets.len()], &offset_bytes).map_err(damaged)?),
            ("sizes", TensorView::new(Dtype::I64, vec![names.len(), 2], &size_bytes).map_err(damaged)?),
        ]);
        write_atomically(&path, &safetensors::serialize(views, None).map_err(damaged)?)?;
        self.index.shards.push(FeatureShard { file, images: names });
        self.write_index(UNFINISHED)
    }

    fn write_index(&self, name: &str) -> Result<()> {
        let file = self.folder.join(name);
        let text = serde_json::to_vec(&self.index).map_err(|e| Error::json(&file, &e))?;
        write_atomically(&file, &text)
    }

    /// Writes the index and ends.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(self) -> Result<()> {
        self.write_index(INDEX)?;
        let unfinished = self.folder.join(UNFINISHED);
        match std::fs::remove_file(&unfinished) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(unfinished, "remove")(e)),
            _ => Ok(()),
        }
    }
}
