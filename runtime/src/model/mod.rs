//! A bundle that is loaded: its stages, run on images and texts.

mod about;
mod encode;
mod features;
pub(crate) mod identity;
mod images;
mod regions;
pub(crate) mod state;

use std::path::Path;
use std::sync::Arc;

use mmnas_bundle::boxes;
use mmnas_bundle::manifest::{Form, MANIFEST, Manifest, Stage, TaskName};
use mmnas_bundle::{Bundle, BundleFiles, RegionFeatures, TextCoverage, TextEncoder, UNK};

use crate::engine::limits::{Limits, Watched};
use crate::engine::options::LoadOptions;
use crate::engine::provider::Provider;
use crate::engine::session::{GraphFile, Sessions, only_graph};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::tensor::Tensor;
use crate::engine::{batch, onnxruntime, stage_sources};
use crate::error::{Error, Result};
use crate::model::identity::fingerprint;
use crate::model::state::{ImageState, ModelId, TextState};
use crate::vision::pixels::{PixelBuffer, PixelFormat};
use crate::vision::shared::ModelVision;

/// Pairs that run as one batch. More of them save little and hold more memory.
pub(crate) const BATCH: usize = 32;

/// A bundle that is loaded.
///
/// Any number of threads share it, by reference or by clones, which are cheap; their calls run at the same time.
///
/// ```no_run
/// use mmnas_runtime::{LoadOptions, Model};
/// # fn main() -> mmnas_runtime::Result<()> {
/// let model = Model::load("bundle".as_ref(), &LoadOptions::default())?;
/// let image = model.encode_image_file("image.png".as_ref())?;
/// // The image is encoded once for all questions about it.
/// for question in ["what color is the circle?", "is there a square?"] {
///     let answers = model.answer(&image, question, 1)?;
///     println!("{question} {}", answers[0].label);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Model {
    loaded: Arc<Loaded>,
    watched: Watched,
}

/// What all clones of a model share.
#[derive(Debug)]
struct Loaded {
    id: ModelId,
    bundle: Bundle<'static>,
    text_encoder: TextEncoder,
    labels: Option<Vec<String>>,
    text: StageRunner,
    image: StageRunner,
    fusion: StageRunner,
    relation: Option<StageRunner>,
    vision: Option<ModelVision>,
    form: Form,
    provider: Provider,
    any_features: bool,
    /// Threads that images are decoded on.
    ///
    /// They are as many as one operator of a graph may use.
    threads: usize,
}

impl Loaded {
    /// Tells the log what was loaded from where, on one line.
    fn tell(&self) {
        let manifest = self.bundle.manifest();
        tracing::info!(
            folder = ?self.bundle.folder(),
            task = %manifest.task,
            form = %self.form,
            provider = %self.provider,
            identity = fingerprint(manifest),
            vision = manifest.vision.as_ref().map_or("none", |vision| vision.backbone.as_str()),
            onnxruntime = onnxruntime::told(),
            "bundle loaded"
        );
    }
}

impl Model {
    /// Loads the bundle in `folder`, and ONNX Runtime with the process's first model.
    ///
    /// # Errors
    /// A file that cannot be read or is not what the manifest says; a manifest of a later major version; no usable ONNX
    /// Runtime, or another one than `options` ask for already loaded; no provider that they allow; a graph that ONNX Runtime
    /// refuses.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Model> {
        Model::of(Bundle::open(folder, options.check_hashes)?, options)
    }

    /// Loads a bundle whose files are in memory.
    ///
    /// These are all that lie in its folder, by their names there, `manifest.json` among them. They are not needed any
    /// more when this returns.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_files(files: BundleFiles<'_>, options: &LoadOptions) -> Result<Model> {
        Model::of(Bundle::from_files(files, options.check_hashes)?, options)
    }

    fn of(bundle: Bundle<'_>, options: &LoadOptions) -> Result<Model> {
        let folder = bundle.folder().to_path_buf();
        stage_sources::check(bundle.manifest(), &folder)?;
        let text_encoder = bundle.text_encoder()?;
        let labels = match bundle.manifest().task {
            TaskName::Vqa => Some(bundle.labels()?),
            TaskName::Itm | TaskName::Vgd => None,
        };
        let sessions = Sessions::new(options)?;
        let stages = &bundle.manifest().stages;
        let load = |name: &str, stage: &Stage| {
            let graph = sessions.graph(stage, name, &folder.join(MANIFEST))?;
            StageRunner::load(&sessions, stage, &GraphFile::check(&bundle, graph)?)
        };
        // At the same time: hashing and packing of weights keep one processor busy each.
        let (text, others) = std::thread::scope(|scope| {
            let text = scope.spawn(|| load("stages.text", &stages.text));
            let others = load("stages.fusion", &stages.fusion)
                .and_then(|fusion| Ok((fusion, load("stages.image", &stages.image)?)));
            (text.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), others)
        });
        let (text, (fusion, image)) = (text?, others?);
        let form = sessions.graph(&stages.text, "stages.text", &folder.join(MANIFEST))?.form();
        let relation = bundle.manifest().relation.as_ref().map(|stage| {
            let graph = only_graph(stage, "relation", &folder.join(MANIFEST))?;
            StageRunner::load(&sessions, stage, &GraphFile::check(&bundle, graph)?)
        });
        let relation = relation.transpose()?;
        let vision = ModelVision::load(&sessions, &bundle, options.check_hashes)?;
        let threads = options.thread_count()?;
        let (id, provider, bundle) = (ModelId::next(), sessions.provider(), bundle.without_files());
        let any_features = options.any_features;
        let loaded = Loaded {
            id,
            bundle,
            text_encoder,
            labels,
            text,
            image,
            fusion,
            relation,
            vision,
            form,
            provider,
            any_features,
            threads,
        };
        loaded.tell();
        Ok(Model { loaded: Arc::new(loaded), watched: Watched::default() })
    }

    /// The same model, whose calls end at `limits`: see [`Limits`].
    ///
    /// States of either are states of both.
    #[must_use]
    pub fn limited(&self, limits: Limits) -> Model {
        let clock = Arc::clone(&self.watched.clock);
        Model { loaded: Arc::clone(&self.loaded), watched: Watched { limits, clock } }
    }

    /// What ends the model's calls.
    pub(crate) fn limits(&self) -> &Limits {
        &self.watched.limits
    }

    /// An error where the model's limits say that calls end.
    pub(crate) fn check_limits(&self) -> Result<()> {
        self.watched.limits.check()
    }

    /// Runs every stage once on synthetic inputs.
    ///
    /// The first real call then finds memory allocated and, on a GPU, kernels loaded.
    ///
    /// # Errors
    /// A failure of ONNX Runtime; the model's limits.
    pub fn warm_up(&self) -> Result<()> {
        const REGIONS: usize = 36;
        const WORDS: usize = 8;
        let image = match self.loaded.vision {
            Some(_) => {
                let (data, format) = (&[0; 64 * 64], PixelFormat::Grey);
                self.encode_pixel_buffer(&PixelBuffer { data, width: 64, height: 64, stride: 64, format })?
            }
            None => {
                let features = vec![0.0; REGIONS * self.manifest().dimensions.feature];
                let boxes = boxes::grid(REGIONS / 6, 6, 64, 64);
                self.encode_regions(&RegionFeatures { features, boxes, size: (64, 64) })?
            }
        };
        let text = self.encode_tokens(vec![UNK; WORDS.min(self.manifest().text.max_tokens)])?;
        self.fuse(&image, &text).map(|_| ())
    }

    /// What runs the graphs: the first of [`LoadOptions::providers`] that could be had.
    pub fn provider(&self) -> Provider {
        self.loaded.provider
    }

    /// Which graphs of the bundle run.
    pub fn form(&self) -> Form {
        self.loaded.form
    }

    /// The bundle that was loaded.
    pub fn bundle(&self) -> &Bundle<'static> {
        &self.loaded.bundle
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.loaded.bundle.manifest()
    }

    /// What the stages gave for a state of this model.
    pub(crate) fn image_tensors<'a>(&self, image: &'a ImageState) -> Result<&'a Tensors> {
        image.tensors_for(self.loaded.id)
    }

    /// As [`Model::image_tensors`].
    pub(crate) fn text_tensors<'a>(&self, text: &'a TextState) -> Result<&'a Tensors> {
        text.tensors_for(self.loaded.id)
    }

    /// Runs the fusion stage on one pair.
    pub(crate) fn fuse(&self, image: &ImageState, text: &TextState) -> Result<Tensors> {
        let item = [text.tensors_for(self.loaded.id)?, image.tensors_for(self.loaded.id)?];
        self.loaded.fusion.run_within(&item, &self.watched)
    }

    /// Runs the fusion stage on pairs as one batch.
    pub(crate) fn fuse_batch(&self, pairs: &[(&ImageState, &TextState)]) -> Result<Tensors> {
        let mut items = Vec::with_capacity(pairs.len());
        for (image, text) in pairs {
            items.push([text.tensors_for(self.loaded.id)?, image.tensors_for(self.loaded.id)?]);
        }
        match batch::stacked(self.loaded.fusion.inputs(), &items) {
            Some(batch) => self.loaded.fusion.run_within(&[&batch], &self.watched),
            // The first item tells what is wrong.
            None => match items.first() {
                Some(item) => self.loaded.fusion.run_within(item, &self.watched),
                None => Ok(Tensors::new()),
            },
        }
    }

    /// The numbers of a tensor of a text's state, where it has such.
    pub(crate) fn text_tensor<'a>(&self, text: &'a TextState, name: &str) -> Result<Option<&'a [f32]>> {
        Ok(self.text_tensors(text)?.get(name).and_then(Tensor::as_f32))
    }

    /// The numbers of a tensor of an image's state, where it has such.
    pub(crate) fn image_tensor<'a>(&self, image: &'a ImageState, name: &str) -> Result<Option<&'a [f32]>> {
        Ok(self.image_tensors(image)?.get(name).and_then(Tensor::as_f32))
    }

    /// How much of a text the network sees.
    ///
    /// It does not know words that its vocabulary does not hold, and does not see those beyond the manifest's
    /// `text.max_tokens`.
    ///
    /// # Errors
    /// A text that the bundle's tokenizer cannot read.
    pub fn coverage(&self, text: &str) -> Result<TextCoverage> {
        Ok(self.loaded.text_encoder.coverage(text, self.manifest().text.max_tokens)?)
    }

    /// The ids of a text's words, as many as the bundle reads.
    ///
    /// The network tells texts apart by these.
    pub(crate) fn token_ids(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self.loaded.text_encoder.encode(text, self.manifest().text.max_tokens)?)
    }

    /// The parts of a text that its tokens stand for.
    pub(crate) fn text_pieces(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.loaded.text_encoder.pieces(text, self.manifest().text.max_tokens)?)
    }

    /// The finite numbers of the head's output `name`, of the given shape.
    pub(crate) fn head_output<'a>(&self, outputs: &'a Tensors, name: &str, shape: &[usize]) -> Result<&'a [f32]> {
        let wrong = |found: String| Error::Tensor {
            file: self.loaded.fusion.file().to_path_buf(),
            tensor: name.to_owned(),
            expected: format!("f32 {shape:?}, finite"),
            found,
        };
        let output = outputs.get(name).ok_or_else(|| wrong("none".to_owned()))?;
        let values = output.as_f32().filter(|_| output.shape() == shape);
        let values = values.ok_or_else(|| wrong(format!("{:?}", output.shape())))?;
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(wrong(value.to_string())),
            None => Ok(values),
        }
    }

    /// An error where the bundle is for another task.
    pub(crate) fn check_task(&self, expected: TaskName) -> Result<()> {
        let found = self.manifest().task;
        if found == expected {
            return Ok(());
        }
        let expected = match expected {
            TaskName::Vqa => "vqa",
            TaskName::Itm => "itm",
            TaskName::Vgd => "vgd",
        };
        Err(Error::WrongTask { bundle: self.loaded.bundle.folder().to_path_buf(), expected, found: found.to_string() })
    }

    /// Whether this model, or a clone of it, made the state.
    pub fn owns(&self, image: &ImageState) -> bool {
        self.check_image(image).is_ok()
    }

    /// An error where another model made the image's state.
    pub(crate) fn check_image(&self, image: &ImageState) -> Result<()> {
        image.tensors_for(self.loaded.id).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_shared_by_threads() {
        fn check<T: Send + Sync>() {}
        check::<Model>();
    }
}
