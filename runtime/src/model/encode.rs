//! From files, pixels, regions and words to the states that are kept.

use std::borrow::Cow;
use std::path::Path;

use mmnas_bundle::RegionFeatures;
use mmnas_bundle::boxes::BoxXyxy;

use crate::engine::batch;
use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};
use crate::engine::tensor_names::{BOXES, FEATURES, REGION_COUNT, RELATION_BIAS, TOKEN_COUNT, TOKENS};
use crate::error::{Error, Result};
use crate::model::state::{ImageState, TextState};
use crate::model::{BATCH, Model};
use crate::vision::pixels::PixelBuffer;
use crate::vision::region_check::checked_boxes;

impl Model {
    /// Encodes an image file.
    ///
    /// Decodes it (PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most 20,000 pixels a side
    /// and 512 MiB decoded), runs the vision stage and the image stage. A rotation noted in the file's metadata (EXIF)
    /// is applied: boxes are in pixels of the image as people see it. A transparent image is seen on white. A file that
    /// ends in the middle or is damaged is an error, also where its decoder panics on it.
    ///
    /// # Errors
    /// A file that cannot be read or decoded; a bundle without vision stage; a failure of ONNX Runtime.
    pub fn encode_image_file(&self, file: &Path) -> Result<ImageState> {
        self.encode_image_regions(&self.regions_of_image_file(file)?)
    }

    /// As [`Model::encode_image_file`], for region features too.
    ///
    /// A file whose name ends in `.npz` holds region features in the published layout ([`mmnas_bundle::npz`]), which
    /// needs no vision stage.
    ///
    /// # Errors
    /// As [`Model::encode_image_file`] and [`Model::encode_regions`]; region features that say that they are of another vision
    /// stage than the network reads ([`Error::OtherFeatures`]).
    pub fn encode_file(&self, file: &Path) -> Result<ImageState> {
        self.encode_image_regions(&self.regions_of_file(file)?)
    }

    /// As [`Model::encode_image_file`], for the content of an image file.
    ///
    /// # Errors
    /// As [`Model::encode_image_file`].
    pub fn encode_image_bytes(&self, encoded: &[u8]) -> Result<ImageState> {
        self.encode_image_regions(&self.regions_of_image_bytes(encoded)?)
    }

    /// As [`Model::encode_image_file`], for pixels in memory.
    ///
    /// # Errors
    /// A buffer that is too short for its sizes or has no pixel; a bundle without vision stage; a failure of ONNX Runtime.
    pub fn encode_pixel_buffer(&self, pixels: &PixelBuffer<'_>) -> Result<ImageState> {
        self.encode_image_regions(&self.regions_of_pixel_buffer(pixels)?)
    }

    /// Encodes ready region features.
    ///
    /// There are 1 to 2,048 regions, D finite features each (D is the manifest's `dimensions.feature`), boxes in pixels
    /// with `x2 − x1 + 1` and `y2 − y1 + 1` above 0. Boxes that stick out of the image are cut to it, with a warning.
    ///
    /// # Errors
    /// Regions outside these ranges; a failure of ONNX Runtime.
    pub fn encode_regions(&self, regions: &RegionFeatures) -> Result<ImageState> {
        let (boxes, inputs) = self.region_inputs(regions)?;
        let outputs = self.loaded.image.run_within(&[&inputs], &self.watched)?;
        self.image_state(outputs, &boxes, regions.size)
    }

    /// What the image stage reads of an image's regions, and their boxes.
    ///
    /// Boxes that stick out of the image are cut.
    pub(super) fn region_inputs<'a>(&self, regions: &'a RegionFeatures) -> Result<(Cow<'a, [BoxXyxy]>, Tensors)> {
        let width = self.manifest().dimensions.feature;
        let boxes = checked_boxes(regions, width)?;
        let count = boxes.len();
        let corners = boxes.iter().flatten().copied().collect();
        let inputs = Tensors::from([
            (FEATURES.to_owned(), self.tensor(FEATURES, vec![1, count, width], Data::F32(regions.features.clone()))?),
            (BOXES.to_owned(), self.tensor(BOXES, vec![1, count, 4], Data::F32(corners))?),
            (REGION_COUNT.to_owned(), Tensor::count(count)),
        ]);
        Ok((boxes, inputs))
    }

    /// Encodes a text; it is cut to the manifest's `text.max_tokens` words.
    ///
    /// # Errors
    /// A text without any word; a failure of ONNX Runtime.
    pub fn encode_text(&self, text: &str) -> Result<TextState> {
        self.check_limits()?;
        self.encode_tokens(self.loaded.text_encoder.encode_question(text, self.manifest().text.max_tokens)?)
    }

    /// As [`Model::encode_text`] for many texts, in batches.
    ///
    /// In fp32 and fp16 the states are those that each text has alone, to rounding.
    ///
    /// # Errors
    /// As [`Model::encode_text`], of the first text that has one.
    pub fn encode_texts(&self, texts: &[&str]) -> Result<Vec<TextState>> {
        self.check_limits()?;
        let mut states = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH) {
            let mut items = Vec::with_capacity(texts.len());
            for text in texts {
                let tokens = self.loaded.text_encoder.encode_question(text, self.manifest().text.max_tokens)?;
                items.push((tokens.len(), self.text_inputs(tokens)?));
            }
            let none = Tensors::new();
            let stage = &self.loaded.text;
            let lots: Vec<[&Tensors; 2]> = items.iter().map(|(_, inputs)| [inputs, &none]).collect();
            let Some(batch) = batch::stacked(stage.inputs(), &lots) else {
                // The first item tells what is wrong.
                states.extend(texts.iter().map(|text| self.encode_text(text)).collect::<Result<Vec<_>>>()?);
                continue;
            };
            let outputs = stage.run_within(&[&batch], &self.watched)?;
            for (k, (count, _)) in items.iter().enumerate() {
                let item = batch::item(&outputs, stage.outputs(), k, *count).ok_or_else(|| Error::Tensor {
                    file: stage.file().to_path_buf(),
                    tensor: "outputs".to_owned(),
                    expected: format!("those of {} texts", items.len()),
                    found: "others".to_owned(),
                })?;
                states.push(self.text_state(item, *count));
            }
        }
        Ok(states)
    }

    fn text_inputs(&self, tokens: Vec<i64>) -> Result<Tensors> {
        let count = tokens.len();
        Ok(Tensors::from([
            (TOKENS.to_owned(), self.tensor(TOKENS, vec![1, count], Data::I64(tokens))?),
            (TOKEN_COUNT.to_owned(), Tensor::count(count)),
        ]))
    }

    pub(super) fn encode_tokens(&self, tokens: Vec<i64>) -> Result<TextState> {
        let count = tokens.len();
        let inputs = self.text_inputs(tokens)?;
        Ok(self.text_state(self.loaded.text.run_within(&[&inputs], &self.watched)?, count))
    }

    /// The state of a text of `tokens` tokens from what the text stage gives.
    pub(crate) fn text_state(&self, mut outputs: Tensors, tokens: usize) -> TextState {
        outputs.insert(TOKEN_COUNT.to_owned(), Tensor::count(tokens));
        TextState::new(self.loaded.id, outputs, tokens)
    }

    /// Makes the state of an image from what the image stage gives.
    ///
    /// Relation biases that are missing are made from the boxes.
    pub(crate) fn image_state(&self, mut outputs: Tensors, boxes: &[BoxXyxy], size: (u32, u32)) -> Result<ImageState> {
        if let Some(relation) = self.loaded.relation.as_ref().filter(|_| !outputs.contains_key(RELATION_BIAS)) {
            let corners = boxes.iter().flatten().copied().collect();
            let corners = self.tensor(BOXES, vec![1, boxes.len(), 4], Data::F32(corners))?;
            outputs.append(&mut relation.run_within(&[&Tensors::from([(BOXES.to_owned(), corners)])], &self.watched)?);
        }
        outputs.insert(REGION_COUNT.to_owned(), Tensor::count(boxes.len()));
        Ok(ImageState::new(self.loaded.id, outputs, boxes, size))
    }

    fn tensor(&self, name: &'static str, shape: Vec<usize>, data: Data) -> Result<Tensor> {
        let expected = format!("numbers for {shape:?}");
        Tensor::new(shape, data).ok_or_else(|| Error::argument(name, expected, "another number of them"))
    }
}
