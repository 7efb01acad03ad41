//! From a folder of images to a folder of their regions' features.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mmnas_bundle::{Error as BundleError, FeatureWriter, NewFolder, RegionFeatures, npz};
use rayon::prelude::*;
use serde::Serialize;

use crate::engine::limits::{CancelToken, Limits, Watched};
use crate::engine::options::LoadOptions;
use crate::error::{Error, ErrorCode, Result};
use crate::images::image_files::ImageFiles;
use crate::images::passed_over::PassedOver;
use crate::vision::runner::Pixels;
use crate::vision::unfinished_shard::UnfinishedShard;
use crate::vision::vision_stage::VisionStage;

/// Images of one shard.
const SHARD_IMAGES: usize = 1024;
/// Most images of a batch.
const MAX_BATCH: usize = 4096;
/// Most pixels of a batch, in bytes.
///
/// A batch of larger images holds fewer of them.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// How features are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureLayout {
    /// Shards of many images, which training reads.
    #[default]
    Packed,
    /// The published layout, one file `NAME.npz` an image ([`npz`]).
    ///
    /// Each file says of which vision stage it is.
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

impl LeftOut {
    /// The image, where it is the image's own fault that it cannot be read.
    ///
    /// It is no image, a damaged one, or one that this user must not read. What fails beyond it is the error.
    ///
    /// # Errors
    /// Any other error.
    pub fn of(image: &str, error: Error) -> Result<LeftOut> {
        let forbidden = matches!(&error, Error::Bundle(BundleError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied);
        match error.code() {
            ErrorCode::Image => Ok(LeftOut { image: image.to_owned(), reason: error.to_string() }),
            ErrorCode::Io if forbidden => Ok(LeftOut { image: image.to_owned(), reason: error.to_string() }),
            _ => Err(error),
        }
    }
}

/// What an extraction wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractReport {
    /// Number of images that have features.
    pub images: usize,
    /// Images without, where [`ExtractSettings::skip_broken`] says so.
    pub left_out: Vec<LeftOut>,
    /// What lies in the folder and is not read.
    ///
    /// That is images in other formats, texts, links that lead nowhere.
    pub passed_over: Vec<PassedOver>,
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
    /// Whether an image that cannot be decoded is left out and told.
    ///
    /// Otherwise it is an error.
    pub skip_broken: bool,
}

/// Writes the region features of the images in a folder.
///
/// Runs the vision stage in the folder `vision` on every image file in `images` and below ([`ImageFiles::find`]) and
/// writes the features of their regions to the new folder `out`, which appears when it is complete. Images are decoded
/// on all threads while others run. An extraction that was ended goes on with what it had written when it is called
/// again: one that was killed loses the work of the last half minute at most, one that met an error nothing but its
/// last batch. What is written does not depend on where it was ended. `progress` is called after every batch, from the
/// calling thread.
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
    extract_until(&CancelToken::new(), vision, images, out, settings, options, progress)
}

/// As [`extract`], until `stop` is cancelled.
///
/// What is done by then is kept, but for a batch that is running.
///
/// # Errors
/// As [`extract`]; [`Error::Stopped`] where it was stopped.
pub fn extract_until(
    stop: &CancelToken,
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
    let ImageFiles { names, passed_over } = ImageFiles::find(images, settings.skip_broken)?;
    let stage = VisionStage::load(vision, options)?;
    let listed = mmnas_bundle::sha256_hex(names.join("\n").as_bytes());
    let what = format!("{:?} {} {} {listed}", settings.layout, stage.sha256(), stage.vision().feature);
    let target = NewFolder::resume(out, &what)?;
    let mut sink = Sink::new(settings.layout, target.path(), &stage);
    let left: HashSet<String> = sink.left(&names).into_iter().collect();
    let (mut shard, kept) = match settings.layout {
        FeatureLayout::Packed => {
            let (feature, sha256) = (stage.vision().feature, stage.sha256().to_owned());
            let (shard, kept) = UnfinishedShard::resume(target.path(), feature, sha256)?;
            (Some(shard), kept)
        }
        FeatureLayout::Npz => (None, Vec::new()),
    };
    let mut kept: HashMap<String, RegionFeatures> = kept.into_iter().filter(|(name, _)| left.contains(name)).collect();
    let resumed = names.len() - left.len() + kept.len();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.thread_count()?).build();
    let pool = pool.map_err(|e| Error::argument("threads", "threads that the system can start", e))?;
    let batch = settings.batch.get().min((MAX_BATCH_BYTES / stage.pixel_bytes()).max(1));

    let mut batches = Batches {
        stage: &stage,
        images,
        pool,
        skip_broken: settings.skip_broken,
        stop: Watched { limits: Limits::none().cancelled_by(stop), ..Watched::default() },
        left_out: Vec::new(),
    };
    let (mut done, mut written) = (resumed, resumed);
    progress(ExtractProgress { done, images: names.len() });
    for part in names.chunks(SHARD_IMAGES) {
        let mut regions: Vec<(String, RegionFeatures)> =
            part.iter().filter_map(|name| kept.remove_entry(name)).collect();
        let had = regions.iter().map(|(name, _)| name.clone()).collect::<HashSet<_>>();
        // The same images come together wherever an extraction was ended: what else is in a batch moves the rounding.
        let missing = |name: &&String| left.contains(*name) && !had.contains(*name);
        let todo = part.chunks(batch).map(|names| names.iter().filter(missing).cloned().collect::<Vec<_>>());
        let todo: Vec<Vec<String>> = todo.filter(|names| !names.is_empty()).collect();
        let outcome = batches.run(&todo, &mut |images, tried| {
            written += images.len();
            done += tried;
            regions.extend(images);
            match &mut shard {
                Some(shard) if shard.is_due() => shard.keep(&regions)?,
                Some(_) => {}
                None => sink.write(std::mem::take(&mut regions))?,
            }
            tracing::debug!(done, images = names.len(), "extracted");
            progress(ExtractProgress { done, images: names.len() });
            Ok(())
        });
        if let Err(error) = outcome {
            if let Some(shard) = &mut shard {
                shard.keep(&regions)?;
            }
            return Err(match error {
                Error::Cancelled => Error::Stopped { kept: written, of: names.len() },
                other => other,
            });
        }
        if !regions.is_empty() {
            regions.sort_by(|a, b| a.0.cmp(&b.0));
            sink.write(regions)?;
        }
        shard.as_mut().map_or(Ok(()), UnfinishedShard::clear)?;
    }
    let left_out = batches.left_out;
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
        passed_over,
        resumed,
        files,
        regions: stage.vision().regions.count(),
        feature: stage.vision().feature,
        vision_sha256: stage.sha256().to_owned(),
    })
}

/// What runs batches of images.
struct Batches<'a> {
    stage: &'a VisionStage,
    /// The images' folder.
    images: &'a Path,
    pool: rayon::ThreadPool,
    skip_broken: bool,
    stop: Watched,
    left_out: Vec<LeftOut>,
}

impl Batches<'_> {
    /// Runs each of `batches`, which is decoded while the one before it runs.
    ///
    /// `done` is given the regions of each with the number of its images.
    fn run(
        &mut self,
        batches: &[Vec<String>],
        done: &mut dyn FnMut(Vec<(String, RegionFeatures)>, usize) -> Result<()>,
    ) -> Result<()> {
        let mut decoded = batches.first().map_or(Vec::new(), |first| self.decode(first));
        for (k, batch) in batches.iter().enumerate() {
            let (mut whole, mut pixels) = (Vec::new(), Vec::new());
            for (name, outcome) in batch.iter().zip(decoded) {
                match outcome {
                    Ok(image) => {
                        whole.push(name.clone());
                        pixels.push(image);
                    }
                    Err(error) if self.skip_broken => self.left_out.push(LeftOut::of(name, error)?),
                    Err(error) => return Err(error),
                }
            }
            let next = batches.get(k + 1);
            let (features, following) = std::thread::scope(|scope| {
                let following = scope.spawn(|| next.map_or(Vec::new(), |names| self.decode(names)));
                let features =
                    if pixels.is_empty() { Ok(Vec::new()) } else { self.stage.regions_of(&pixels, &self.stop) };
                (features, following.join())
            });
            decoded = following.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done(whole.into_iter().zip(features?).collect(), batch.len())?;
        }
        Ok(())
    }

    fn decode(&self, names: &[String]) -> Vec<Result<Pixels>> {
        let decode = |name: &String| {
            self.stop.limits.check()?;
            self.stage.decode(&self.images.join(name))
        };
        self.pool.install(|| names.par_iter().map(decode).collect())
    }
}

/// Where features go.
enum Sink {
    Packed { writer: FeatureWriter, written: Vec<String> },
    Npz { folder: PathBuf, feature: usize, vision_sha256: String },
}

impl Sink {
    fn new(layout: FeatureLayout, folder: &Path, stage: &VisionStage) -> Sink {
        let feature = stage.vision().feature;
        match layout {
            FeatureLayout::Packed => {
                let (writer, written) = FeatureWriter::resume(folder, feature, stage.sha256().to_owned());
                Sink::Packed { writer, written }
            }
            FeatureLayout::Npz => {
                Sink::Npz { folder: folder.to_path_buf(), feature, vision_sha256: stage.sha256().to_owned() }
            }
        }
    }

    /// Those of `names` that have no features yet.
    ///
    /// What was left out before is among them.
    fn left(&self, names: &[String]) -> Vec<String> {
        match self {
            Sink::Packed { written, .. } => {
                let written: HashSet<&String> = written.iter().collect();
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
