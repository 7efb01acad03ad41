use std::path::Path;

use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::{Form, MANIFEST, MAX_REGIONS, Manifest, Stage, TaskName};
use mmnas_bundle::{Bundle, RegionFeatures, TextEncoder};

use crate::session::{GraphFile, Sessions, chosen_graph, vision_graph};
use crate::stage::{StageRunner, Tensors};
use crate::state::ModelId;
use crate::tensor::{Data, Tensor};
use crate::vision::{VisionRunner, decode_bytes, decode_file, prepare};
use crate::wiring::{self, BOXES, FEATURES, LOGITS, REGION_COUNT, TOKEN_COUNT, TOKENS};
use crate::{Answer, Error, ImageState, LoadOptions, Result, TextState, answer, batch};

/// Pairs that run as one batch. More of them save little and hold more memory.
pub(crate) const BATCH: usize = 32;

/// A bundle that is loaded. Threads share it by reference; calls on the same stage wait for one another.
#[derive(Debug)]
pub struct Model {
    id: ModelId,
    bundle: Bundle,
    text_encoder: TextEncoder,
    labels: Option<Vec<String>>,
    text: StageRunner,
    image: StageRunner,
    fusion: StageRunner,
    vision: Option<VisionRunner>,
    form: Form,
}

impl Model {
    /// Loads the bundle in `folder`, and ONNX Runtime with the process's first model.
    ///
    /// # Errors
    /// A file that cannot be read or is not what the manifest says; a manifest of a later major version; no usable ONNX
    /// Runtime, or another one than `options` ask for already loaded; a graph that ONNX Runtime refuses.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Model> {
        let bundle = Bundle::open(folder, options.check_hashes)?;
        wiring::check(bundle.manifest(), folder)?;
        let text_encoder = bundle.text_encoder()?;
        let labels = match bundle.manifest().task {
            TaskName::Vqa => Some(bundle.labels()?),
            TaskName::Itm | TaskName::Vgd => None,
        };
        let sessions = Sessions::new(options)?;
        let stages = &bundle.manifest().stages;
        let load = |name: &str, stage: &Stage| {
            let graph = chosen_graph(stage, name, &folder.join(MANIFEST), options)?;
            StageRunner::load(&sessions, stage, &GraphFile::read(&bundle, graph)?)
        };
        let (text, image) = (load("stages.text", &stages.text)?, load("stages.image", &stages.image)?);
        let fusion = load("stages.fusion", &stages.fusion)?;
        let form = chosen_graph(&stages.text, "stages.text", &folder.join(MANIFEST), options)?.form();
        let vision = bundle.manifest().vision.as_ref();
        let vision = vision.map(|vision| {
            let graph = vision_graph(&vision.stage, &folder.join(MANIFEST))?;
            VisionRunner::load(&sessions, vision, &GraphFile::read(&bundle, graph)?)
        });
        let vision = vision.transpose()?;
        Ok(Model { id: ModelId::next(), text_encoder, labels, text, image, fusion, vision, form, bundle })
    }

    /// Which graphs of the bundle run.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The bundle that was loaded.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// Encodes an image file: decodes it (PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most
    /// 20,000 pixels a side and 512 MiB decoded), runs the vision stage and the image stage. A rotation noted in the
    /// file's metadata (EXIF) is applied: boxes are in pixels of the image as people see it.
    ///
    /// # Errors
    /// A file that cannot be read or decoded; a bundle without vision stage; a failure of ONNX Runtime.
    pub fn encode_image_file(&self, file: &Path) -> Result<ImageState> {
        let vision = self.vision()?;
        self.encode_pixels(vision, decode_file(file)?)
    }

    /// As [`Model::encode_image_file`], for the content of an image file.
    ///
    /// # Errors
    /// As [`Model::encode_image_file`].
    pub fn encode_image_bytes(&self, encoded: &[u8]) -> Result<ImageState> {
        let vision = self.vision()?;
        self.encode_pixels(vision, decode_bytes(encoded)?)
    }

    /// Encodes ready region features: 1 to 10,000 regions, D finite features each (D is the manifest's
    /// `dimensions.feature`), boxes in pixels with `x2 − x1 + 1` and `y2 − y1 + 1` above 0.
    ///
    /// # Errors
    /// Regions outside these ranges; a failure of ONNX Runtime.
    pub fn encode_regions(&self, regions: &RegionFeatures) -> Result<ImageState> {
        let width = self.manifest().dimensions.feature;
        check_regions(regions, width)?;
        let count = regions.boxes.len();
        let boxes = regions.boxes.iter().flatten().copied().collect();
        let inputs = Tensors::from([
            (FEATURES.to_owned(), self.tensor(FEATURES, vec![1, count, width], Data::F32(regions.features.clone()))?),
            (BOXES.to_owned(), self.tensor(BOXES, vec![1, count, 4], Data::F32(boxes))?),
            (REGION_COUNT.to_owned(), Tensor::count(count)),
        ]);
        let mut state = self.image.run(&[&inputs])?;
        state.insert(REGION_COUNT.to_owned(), Tensor::count(count));
        Ok(ImageState::new(self.id, state, &regions.boxes, regions.size))
    }

    /// Encodes a text; it is cut to the manifest's `text.max_tokens` words.
    ///
    /// # Errors
    /// A text without any word; a failure of ONNX Runtime.
    pub fn encode_text(&self, text: &str) -> Result<TextState> {
        let tokens = self.text_encoder.encode_question(text, self.manifest().text.max_tokens)?;
        let count = tokens.len();
        let inputs = Tensors::from([
            (TOKENS.to_owned(), self.tensor(TOKENS, vec![1, count], Data::I64(tokens))?),
            (TOKEN_COUNT.to_owned(), Tensor::count(count)),
        ]);
        let mut state = self.text.run(&[&inputs])?;
        state.insert(TOKEN_COUNT.to_owned(), Tensor::count(count));
        Ok(TextState::new(self.id, state))
    }

    /// The `top_k` best answers to a question about an image, the best first. `top_k` is at least 1; where there are
    /// fewer answers, all of them are given.
    ///
    /// # Errors
    /// A bundle of another task than VQA; `top_k` 0; a question without any word; a state of another model; a failure of
    /// ONNX Runtime.
    pub fn answer(&self, image: &ImageState, question: &str, top_k: usize) -> Result<Vec<Answer>> {
        self.check_answering(top_k)?;
        image.tensors_for(self.id)?;
        self.answer_text(image, &self.encode_text(question)?, top_k)
    }

    /// As [`Model::answer`], for a question that is encoded already.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn answer_text(&self, image: &ImageState, text: &TextState, top_k: usize) -> Result<Vec<Answer>> {
        let labels = self.check_answering(top_k)?;
        let outputs = self.fuse(image, text)?;
        Ok(answer::best(self.head_output(&outputs, LOGITS, &[1, labels.len()])?, labels, top_k))
    }

    /// As [`Model::answer_text`] for many pairs of an image and a question, in batches; in the order of the pairs.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn answer_pairs(&self, pairs: &[(&ImageState, &TextState)], top_k: usize) -> Result<Vec<Vec<Answer>>> {
        let labels = self.check_answering(top_k)?;
        let mut answers = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(BATCH) {
            let outputs = self.fuse_batch(batch)?;
            let logits = self.head_output(&outputs, LOGITS, &[batch.len(), labels.len()])?;
            answers.extend(logits.chunks_exact(labels.len().max(1)).map(|logits| answer::best(logits, labels, top_k)));
        }
        Ok(answers)
    }

    /// Runs the fusion stage on one pair.
    pub(crate) fn fuse(&self, image: &ImageState, text: &TextState) -> Result<Tensors> {
        self.fusion.run(&[text.tensors_for(self.id)?, image.tensors_for(self.id)?])
    }

    /// Runs the fusion stage on pairs as one batch.
    pub(crate) fn fuse_batch(&self, pairs: &[(&ImageState, &TextState)]) -> Result<Tensors> {
        let mut items = Vec::with_capacity(pairs.len());
        for (image, text) in pairs {
            items.push([text.tensors_for(self.id)?, image.tensors_for(self.id)?]);
        }
        match batch::stacked(self.fusion.inputs(), &items) {
            Some(batch) => self.fusion.run(&[&batch]),
            // The first item tells what is wrong.
            None => items.first().map_or_else(|| Ok(Tensors::new()), |item| self.fusion.run(item)),
        }
    }

    /// The finite numbers of the head's output `name`, of the given shape.
    pub(crate) fn head_output<'a>(&self, outputs: &'a Tensors, name: &str, shape: &[usize]) -> Result<&'a [f32]> {
        let wrong = |found: String| Error::Tensor {
            file: self.fusion.file().to_path_buf(),
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
        Err(Error::WrongTask { bundle: self.bundle.folder().to_path_buf(), expected, found: found.to_string() })
    }

    /// An error where another model made the image's state.
    pub(crate) fn check_image(&self, image: &ImageState) -> Result<()> {
        image.tensors_for(self.id).map(|_| ())
    }

    fn vision(&self) -> Result<&VisionRunner> {
        self.vision.as_ref().ok_or_else(|| Error::NoVision { bundle: self.bundle.folder().to_path_buf() })
    }

    fn encode_pixels(&self, vision: &VisionRunner, image: image::RgbImage) -> Result<ImageState> {
        let regions = vision.regions(&[prepare(image, vision.vision())])?;
        match regions.first() {
            Some(regions) => self.encode_regions(regions),
            None => Err(Error::argument("regions", "those of one image", "none")),
        }
    }

    /// The labels, where the bundle can answer and `top_k` is in range.
    fn check_answering(&self, top_k: usize) -> Result<&[String]> {
        self.check_task(TaskName::Vqa)?;
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        Ok(self.labels.as_deref().unwrap_or_default())
    }

    fn tensor(&self, name: &'static str, shape: Vec<usize>, data: Data) -> Result<Tensor> {
        let expected = format!("numbers for {shape:?}");
        Tensor::new(shape, data).ok_or_else(|| Error::argument(name, expected, "another number of them"))
    }
}

fn check_regions(regions: &RegionFeatures, width: usize) -> Result<()> {
    let count = regions.boxes.len();
    if count == 0 || count > MAX_REGIONS {
        return Err(Error::argument("regions", format!("1 to {MAX_REGIONS}"), count));
    }
    if regions.features.len() != count * width {
        let found = format!("{} numbers", regions.features.len());
        return Err(Error::argument("features", format!("{count} regions × {width} numbers"), found));
    }
    if let Some(value) = regions.features.iter().find(|v| !v.is_finite()) {
        return Err(Error::argument("features", "finite numbers", value));
    }
    // The relations of boxes take the logarithm of a width, which counts both edge pixels.
    let is_box = |b: &&BoxXyxy| b.iter().all(|v| v.is_finite()) && b[2] - b[0] > -1.0 && b[3] - b[1] > -1.0;
    match regions.boxes.iter().find(|b| !is_box(b)) {
        Some(found) => Err(Error::argument("boxes", "finite x1 y1 x2 y2, x2 ≥ x1, y2 ≥ y1", format!("{found:?}"))),
        None => Ok(()),
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

    #[test]
    fn regions_out_of_range_are_refused() {
        let good = RegionFeatures {
            features: vec![0.5; 6],
            boxes: vec![[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 1.0, 1.0]],
            size: (5, 5),
        };
        assert!(check_regions(&good, 3).is_ok());
        assert!(check_regions(&good, 4).is_err());
        let none = RegionFeatures { features: vec![], boxes: vec![], size: (5, 5) };
        assert!(check_regions(&none, 3).is_err());
        let mut bad = good.clone();
        bad.features[4] = f32::NAN;
        assert!(check_regions(&bad, 3).unwrap_err().to_string().contains("finite"));
        for broken in [[f32::INFINITY, 0.0, 1.0, 1.0], [5.0, 0.0, 1.0, 1.0]] {
            let mut bad = good.clone();
            bad.boxes[1] = broken;
            assert!(check_regions(&bad, 3).unwrap_err().to_string().starts_with("boxes"));
        }
    }
}
