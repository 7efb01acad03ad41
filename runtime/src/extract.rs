use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mmnas_bundle::{Error as BundleError, FeatureWriter, NewFolder, RegionFeatures, npz};
use rayon::prelude::*;
use serde::Serialize;

use crate::vision::Pixels;
use crate::{Error, ErrorCode, LoadOptions, Result, VisionStage, image_files};

/// Images of one shard.
const SHARD_IMAGES: usize = 1024;
/// Most images of a batch.
const MAX_BATCH: usize = 4096;
/// Most pixels of a batch, in bytes; a batch of larger images holds fewer of them.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// How features are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureLayout {
    /// Shards of many images, which training reads.
    #[default]
    Packed,
    /// The published layout, one file `NAME.npz` an image ([`npz`]), which says of which vision stage it is.
    Npz,
}

/// How far an extraction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractProgress {
    /// Images that are done.
    pub done: usize,
    /// Images in all.
    pub images: usize,
}

/// An image that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name, relative to the folder of the images.
    pub image: String,
    /// Why it cannot be decoded.
    pub reason: String,
}

/// What an extraction wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractReport {
    /// Number of images that have features.
    pub images: usize,
    /// Images without, where [`ExtractSettings::skip_broken`] says so.
    pub left_out: Vec<LeftOut>,
    /// Images that an earlier extraction, which did not finish, had left.
    pub resumed: usize,
    /// Number of files: shards of up to 1024 images, or one an image.
    pub files: usize,
    /// Number of regions of each image at most.
    pub regions: usize,
    /// Width of a region's features.
    pub feature: usize,
    /// Which features they are: see [`VisionBundle::graph_sha256`](mmnas_bundle::VisionBundle::graph_sha256).
    pub vision_sha256: String,
}

/// What an extraction is to do.
#[derive(Debug, Clone)]
pub struct ExtractSettings {
    /// Images that run together, 1 to 4096.
    pub batch: NonZeroUsize,
    /// How features are written.
    pub layout: FeatureLayout,
    /// Whether an image that cannot be decoded is left out and told, where it would be an error.
    pub skip_broken: bool,
}

/// Runs the vision stage in the folder `vision` on every image file in `images` and below and writes the features of their
/// regions to the new folder `out`, which appears when it is complete. Images are decoded on all threads while others run.
/// An extraction that was ended goes on with what it had written when it is called again.
/// `progress` is called after every batch, from the calling thread.
///
/// # Errors
/// A vision stage that is damaged; a folder without images, or without one that can be decoded; an image that cannot be read, or
/// that cannot be decoded and is not to be left out; `out` in the way; a failure of ONNX Runtime.
pub fn extract(
    vision: &Path,
    images: &Path,
    out: &Path,
    settings: &ExtractSettings,
    options: &LoadOptions,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<ExtractReport> {
    if settings.batch.get() > MAX_BATCH {
        return Err(Error::argument("batch", format!("1 to {MAX_BATCH}"), settings.batch));
    }
    let names = image_files(images)?;
    let stage = VisionStage::load(vision, options)?;
    let listed = mmnas_bundle::sha256_hex(names.join("\n").as_bytes());
    let what = format!("{:?} {} {} {listed}", settings.layout, stage.sha256(), stage.vision().feature);
    let target = NewFolder::resume(out, &what)?;
    let mut sink = Sink::new(settings.layout, target.path(), &stage);
    let left = sink.left(&names);
    let (resumed, mut left_out) = (names.len() - left.len(), Vec::new());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.thread_count()?).build();
    let pool = pool.map_err(|e| Error::argument("threads", "threads that the system can start", e))?;
    let batch = settings.batch.get().min((MAX_BATCH_BYTES / stage.pixel_bytes()).max(1));
    let decode = |names: &[String]| -> Vec<Result<Pixels>> {
        pool.install(|| names.par_iter().map(|name| stage.decode(&images.join(name))).collect())
    };

    let mut done = resumed;
    progress(ExtractProgress { done, images: names.len() });
    for shard in left.chunks(SHARD_IMAGES) {
        let mut regions: Vec<(String, RegionFeatures)> = Vec::with_capacity(shard.len());
        let batches: Vec<&[String]> = shard.chunks(batch).collect();
        let mut decoded = batches.first().map_or(Vec::new(), |first| decode(first));
        for (k, batch) in batches.iter().enumerate() {
            let (mut whole, mut pixels) = (Vec::new(), Vec::new());
            for (name, outcome) in batch.iter().zip(decoded) {
                match outcome {
                    Ok(image) => {
                        whole.push(name.clone());
                        pixels.push(image);
                    }
                    Err(error) if settings.skip_broken && error.code() == ErrorCode::Image => {
                        left_out.push(LeftOut { image: name.clone(), reason: error.to_string() });
                    }
                    Err(error) => return Err(error),
                }
            }
            // The next batch is decoded while this one runs.
            let next = batches.get(k + 1);
            let (features, following) = std::thread::scope(|scope| {
                let following = scope.spawn(|| next.map_or(Vec::new(), |names| decode(names)));
                let features = if pixels.is_empty() { Ok(Vec::new()) } else { stage.regions_of(&pixels) };
                (features, following.join())
            });
            decoded = following.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            regions.extend(whole.into_iter().zip(features?));
            done += batch.len();
            progress(ExtractProgress { done, images: names.len() });
        }
        if !regions.is_empty() {
            sink.write(regions)?;
        }
    }
    let written = names.len() - left_out.len();
    if written == 0 {
        let found = left_out.first().map_or_else(String::new, |first| first.reason.clone());
        return Err(Error::argument("images", "at least one that can be decoded", found));
    }
    let files = sink.finish(written)?;
    target.finish()?;
    Ok(ExtractReport {
        images: written,
        left_out,
        resumed,
        files,
        regions: stage.vision().regions.count(),
        feature: stage.vision().feature,
        vision_sha256: stage.sha256().to_owned(),
    })
}

/// Where features go.
enum Sink {
    Packed { writer: FeatureWriter, left: Vec<String> },
    Npz { folder: PathBuf, feature: usize, vision_sha256: String },
}

impl Sink {
    fn new(layout: FeatureLayout, folder: &Path, stage: &VisionStage) -> Sink {
        let feature = stage.vision().feature;
        match layout {
            FeatureLayout::Packed => {
                let (writer, left) = FeatureWriter::resume(folder, feature, stage.sha256().to_owned());
                Sink::Packed { writer, left }
            }
            FeatureLayout::Npz => {
                Sink::Npz { folder: folder.to_path_buf(), feature, vision_sha256: stage.sha256().to_owned() }
            }
        }
    }

    /// Those of `names` that have no features yet; what was left out before is among them.
    fn left(&self, names: &[String]) -> Vec<String> {
        match self {
            Sink::Packed { left, .. } => {
                let written: HashSet<&String> = left.iter().collect();
                names.iter().filter(|name| !written.contains(name)).cloned().collect()
            }
            Sink::Npz { folder, .. } => {
                names.iter().filter(|name| !npz_file(folder, name).is_file()).cloned().collect()
            }
        }
    }

    fn write(&mut self, images: Vec<(String, RegionFeatures)>) -> Result<()> {
        match self {
            Sink::Packed { writer, .. } => Ok(writer.write_shard(images)?),
            Sink::Npz { folder, feature, vision_sha256 } => images.par_iter().try_for_each(|(name, regions)| {
                let file = npz_file(folder, name);
                let parent = file.parent().unwrap_or(folder);
                std::fs::create_dir_all(parent).map_err(BundleError::io(parent, "create"))?;
                Ok(npz::write(&file, regions, *feature, Some(vision_sha256))?)
            }),
        }
    }

    /// Ends; gives the number of files.
    fn finish(self, images: usize) -> Result<usize> {
        match self {
            Sink::Packed { writer, .. } => {
                let shards = writer.shards();
                writer.finish()?;
                Ok(shards)
            }
            Sink::Npz { .. } => Ok(images),
        }
    }
}

fn npz_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.npz"))
}
