//! What of a shard is done before it is whole.
//!
//! It is kept on disk, so that an extraction that is ended loses little.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mmnas_bundle::{Error as BundleError, FeatureStore, FeatureWriter, NewFolder, RegionFeatures};

use crate::error::Result;

/// The folder of the parts, in that of the unfinished extraction.
const FOLDER: &str = "unfinished";
/// Most work that a process that is killed loses, beside a batch.
const MOST_LOST: Duration = Duration::from_secs(30);

/// The images of a shard that is not whole yet.
///
/// Each part is a folder of features of its own, which appears when it is whole. The shard itself is written once, as
/// if nothing had been kept.
#[derive(Debug)]
pub(crate) struct UnfinishedShard {
    folder: PathBuf,
    feature: usize,
    vision_sha256: String,
    parts: usize,
    /// Images that the parts hold.
    kept: HashSet<String>,
    since: Instant,
}

impl UnfinishedShard {
    /// What lies in the folder `work` of an unfinished extraction, with the images of it.
    pub(crate) fn resume(
        work: &Path,
        feature: usize,
        vision_sha256: String,
    ) -> Result<(UnfinishedShard, Vec<(String, RegionFeatures)>)> {
        let folder = work.join(FOLDER);
        let mut found =
            UnfinishedShard { folder, feature, vision_sha256, parts: 0, kept: HashSet::new(), since: Instant::now() };
        let mut images = Vec::new();
        // A part that cannot be read is done again, and so are those after it, which take its place.
        while let Some(part) = found.read(&found.part()) {
            images.extend(part);
            found.parts += 1;
        }
        let next = found.part();
        if next.symlink_metadata().is_ok() {
            std::fs::remove_dir_all(&next).map_err(BundleError::io(&next, "remove"))?;
        }
        found.kept = images.iter().map(|(name, _)| name.clone()).collect();
        Ok((found, images))
    }

    fn read(&self, part: &Path) -> Option<Vec<(String, RegionFeatures)>> {
        let store = FeatureStore::open(part).ok()?;
        if store.feature() != self.feature || store.vision_sha256() != self.vision_sha256 {
            return None;
        }
        store.names().into_iter().map(|name| Some((name.to_owned(), store.get(name).ok()?))).collect()
    }

    /// The next part.
    fn part(&self) -> PathBuf {
        self.folder.join(format!("part-{:05}", self.parts))
    }

    /// Whether so much was done since the last part that it is time for another.
    pub(crate) fn is_due(&self) -> bool {
        self.since.elapsed() >= MOST_LOST
    }

    /// Keeps those of the shard's `images` that no part holds.
    pub(crate) fn keep(&mut self, images: &[(String, RegionFeatures)]) -> Result<()> {
        self.since = Instant::now();
        let new: Vec<_> = images.iter().filter(|(name, _)| !self.kept.contains(name)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(BundleError::io(&self.folder, "create"))?;
        let part = NewFolder::create(&self.part())?;
        let mut writer = FeatureWriter::new(part.path(), self.feature, self.vision_sha256.clone());
        let names: Vec<String> = new.iter().map(|(name, _)| name.clone()).collect();
        writer.write_shard(new)?;
        writer.finish()?;
        part.finish()?;
        self.kept.extend(names);
        self.parts += 1;
        Ok(())
    }

    /// Removes the parts: the shard is written.
    pub(crate) fn clear(&mut self) -> Result<()> {
        (self.parts, self.kept, self.since) = (0, HashSet::new(), Instant::now());
        match std::fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(BundleError::io(&self.folder, "remove")(e).into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> (String, RegionFeatures) {
        let features = name.bytes().map(f32::from).take(2).collect();
        (name.to_owned(), RegionFeatures { features, boxes: vec![[0.0, 0.0, 3.0, 2.0]], size: (4, 3) })
    }

    #[test]
    fn parts_come_back_until_the_shard_is_written() {
        let work = tempfile::tempdir().unwrap();
        let resume = || UnfinishedShard::resume(work.path(), 2, "ab".to_owned()).unwrap();
        let (mut shard, found) = resume();
        assert!(found.is_empty());
        let images = ["a1", "b1", "c1"].map(image);
        shard.keep(&images[..1]).unwrap();
        shard.keep(&images[..1]).unwrap();
        shard.keep(&images).unwrap();
        assert_eq!(shard.parts, 2);
        let (mut shard, found) = resume();
        assert_eq!(found, images);
        shard.keep(&[&images[..], &[image("d1")]].concat()).unwrap();
        assert_eq!(resume().1.len(), 4);
        // One that was damaged is done again.
        std::fs::write(work.path().join("unfinished/part-00001/features-00000.safetensors"), "cut").unwrap();
        let (mut shard, found) = resume();
        assert_eq!(found, images[..1]);
        shard.keep(&images).unwrap();
        assert_eq!(resume().1.len(), 4);
        shard.clear().unwrap();
        assert!(resume().1.is_empty() && std::fs::read_dir(work.path()).unwrap().count() == 0);
    }
}
