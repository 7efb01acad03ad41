use std::num::NonZeroUsize;
use std::path::Path;

use mmnas_bundle::manifest::VISION;
use mmnas_bundle::{FeatureWriter, NewFolder, RegionFeatures, VisionBundle};
use rayon::prelude::*;
use serde::Serialize;

use crate::limits::Watched;
use crate::session::{GraphFile, Sessions, only_graph};
use crate::vision::{Pixels, VisionRunner, decode_file, prepare};
use crate::{Error, LoadOptions, Result, image_files, wiring};

/// Images of one shard.
const SHARD_IMAGES: usize = 1024;
/// Most images of a batch.
const MAX_BATCH: usize = 4096;
/// Most pixels of a batch, in bytes; a batch of larger images holds fewer of them.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// How far an extraction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractProgress {
    /// Images that are done.
    pub done: usize,
    /// Images in all.
    pub images: usize,
}

/// What an extraction wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractReport {
    /// Number of images.
    pub images: usize,
    /// Number of shards, each of up to 1024 images.
    pub shards: usize,
    /// Number of regions of each image.
    pub regions: usize,
    /// Width of a region's features.
    pub feature: usize,
    /// SHA-256 of the vision graph that was used, in hexadecimal.
    pub vision_sha256: String,
}

/// Runs the vision stage in the folder `vision` on every image file in `images` and below, `batch` images (1 to 4096) at
/// a time, and writes the features of their regions to the new folder `out`, which appears when it is complete.
/// `progress` is called after every batch, from the calling thread.
///
/// # Errors
/// A vision stage that is damaged; a folder without images; an image that cannot be read or decoded; `out` in the way; a
/// failure of ONNX Runtime.
pub fn extract(
    vision: &Path,
    images: &Path,
    out: &Path,
    batch: NonZeroUsize,
    options: &LoadOptions,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<ExtractReport> {
    if batch.get() > MAX_BATCH {
        return Err(Error::argument("batch", format!("1 to {MAX_BATCH}"), batch));
    }
    let names = image_files::image_files(images)?;
    let (runner, vision_sha256) = load(vision, options)?;
    let target = NewFolder::create(out)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.thread_count()?).build();
    let pool = pool.map_err(|e| Error::argument("threads", "threads that the system can start", e))?;
    let image_bytes = 3 * runner.vision().width as usize * runner.vision().height as usize;
    let batch = batch.get().min((MAX_BATCH_BYTES / image_bytes).max(1));
    let mut writer = FeatureWriter::new(target.path(), runner.vision().feature, vision_sha256.clone());
    let decode = |names: &[String]| -> Result<Vec<Pixels>> {
        let decode = |name: &String| Ok(prepare(decode_file(&images.join(name))?, runner.vision()));
        pool.install(|| names.par_iter().map(decode).collect())
    };

    let mut done = 0;
    for shard in names.chunks(SHARD_IMAGES) {
        let mut regions: Vec<(String, RegionFeatures)> = Vec::with_capacity(shard.len());
        let batches: Vec<&[String]> = shard.chunks(batch).collect();
        let mut decoded = batches.first().map_or(Ok(Vec::new()), |first| decode(first));
        for (k, batch) in batches.iter().enumerate() {
            let pixels = decoded?;
            // The next batch is decoded while this one runs.
            let next = batches.get(k + 1);
            let (features, following) = std::thread::scope(|scope| {
                let following = scope.spawn(|| next.map_or(Ok(Vec::new()), |names| decode(names)));
                (runner.regions(&pixels, &Watched::default()), following.join())
            });
            decoded = following.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            regions.extend(batch.iter().cloned().zip(features?));
            done += batch.len();
            progress(ExtractProgress { done, images: names.len() });
        }
        writer.write_shard(regions)?;
    }
    writer.finish()?;
    target.finish()?;
    Ok(ExtractReport {
        images: names.len(),
        shards: names.len().div_ceil(SHARD_IMAGES),
        regions: runner.vision().regions.count(),
        feature: runner.vision().feature,
        vision_sha256,
    })
}

/// Loads a vision stage that stands alone; gives it with the recorded hash of its graph.
fn load(folder: &Path, options: &LoadOptions) -> Result<(VisionRunner, String)> {
    let bundle = VisionBundle::open(folder)?;
    let manifest = folder.join(VISION);
    let vision = bundle.vision();
    wiring::check_vision(vision, &manifest)?;
    let graph = only_graph(&vision.stage, "vision.stage", &manifest)?;
    // Reading checks the name, the length and the hash.
    let content = bundle.read(&graph.file)?;
    let record = bundle.manifest().files.get(&graph.file);
    let record = record.ok_or_else(|| Error::invalid(&manifest, "files", format!("{:?}", graph.file), "none"))?;
    let graph = GraphFile { path: folder.join(&graph.file), content: Some(content) };
    let runner = VisionRunner::load(&Sessions::new(options)?, vision, &graph)?;
    Ok((runner, record.sha256.clone()))
}
