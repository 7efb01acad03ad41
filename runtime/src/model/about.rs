//! What a loaded bundle says of itself.

use std::sync::Arc;

use mmnas_bundle::manifest::{Stage, TaskName};

use crate::engine::tensor_names::{IMAGE_EMBEDDING, TEXT_EMBEDDING};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::identity::fingerprint;
use crate::model::state::{ImageState, TextState};

impl Model {
    /// The answers that the network chooses from, in the order of its outputs.
    ///
    /// None for other tasks than VQA.
    pub fn labels(&self) -> &[String] {
        self.loaded.labels.as_deref().unwrap_or_default()
    }

    /// The network's identity, in 64 hexadecimal digits.
    ///
    /// It is a hash of the hashes of all graphs of its stages. Bundles that have the same give the same states, and an
    /// index that one of them wrote is the others' too.
    pub fn identity(&self) -> String {
        fingerprint(self.manifest())
    }

    /// The hash of the bundle's vision stage, in 64 hexadecimal digits, if it has one.
    ///
    /// It says which features the stage gives, as [`VisionStage::sha256`](crate::VisionStage::sha256) of the stage
    /// alone.
    pub fn vision_sha256(&self) -> Option<&str> {
        self.loaded.vision.as_ref().map(|vision| vision.identity.sha256())
    }

    /// Whether the vision stages of this model and `other` are the same.
    ///
    /// [`Model::encode_image_regions`] then takes the regions of `other`.
    pub fn sees_as(&self, other: &Model) -> bool {
        match (&self.loaded.vision, &other.loaded.vision) {
            (Some(own), Some(others)) => own.identity == others.identity,
            _ => false,
        }
    }

    /// Whether this model and `other` hold one vision stage in memory.
    ///
    /// It is the same stage ([`Model::sees_as`]), loaded with the same options, and with hashes compared, so that it is
    /// known to be the same.
    pub fn shares_vision_with(&self, other: &Model) -> bool {
        match (&self.loaded.vision, &other.loaded.vision) {
            (Some(own), Some(others)) => Arc::ptr_eq(&own.runner, &others.runner),
            _ => false,
        }
    }

    /// Whether this is `other`, or a clone or limited form of it.
    ///
    /// States of either are then states of both.
    pub fn is_same(&self, other: &Model) -> bool {
        self.loaded.id == other.loaded.id
    }

    /// Width of the dual encoder's embeddings of images and texts (ITM).
    ///
    /// None where the network has no dual encoder.
    pub fn embedding_width(&self) -> Option<usize> {
        let has = |stage: &Stage, name: &str| stage.outputs.iter().any(|spec| spec.name == name);
        let stages = &self.manifest().stages;
        let both = has(&stages.image, IMAGE_EMBEDDING) && has(&stages.text, TEXT_EMBEDDING);
        self.manifest().dimensions.dual_encoder().filter(|_| self.manifest().task == TaskName::Itm && both)
    }

    /// The dual encoder's embedding of an image, a vector of length 1.
    ///
    /// It has [`Model::embedding_width`] numbers.
    ///
    /// Its scalar product with a text's is their cosine, which a shortlist goes by.
    ///
    /// # Errors
    /// A bundle of another task than ITM, or of a network without a dual encoder; a state of another
    /// model.
    pub fn image_embedding<'a>(&self, image: &'a ImageState) -> Result<&'a [f32]> {
        let found = self.image_tensor(image, IMAGE_EMBEDDING)?;
        self.checked_embedding(found)
    }

    /// As [`Model::image_embedding`], of a text.
    ///
    /// # Errors
    /// As [`Model::image_embedding`].
    pub fn text_embedding<'a>(&self, text: &'a TextState) -> Result<&'a [f32]> {
        let found = self.text_tensor(text, TEXT_EMBEDDING)?;
        self.checked_embedding(found)
    }

    fn checked_embedding<'a>(&self, found: Option<&'a [f32]>) -> Result<&'a [f32]> {
        self.check_task(TaskName::Itm)?;
        let found = found.filter(|numbers| Some(numbers.len()) == self.embedding_width());
        found.ok_or_else(|| {
            let expected = "a network with a dual encoder (recipe: [itm.contrastive])";
            Error::argument("embedding", expected, format!("{} without", self.bundle().folder().display()))
        })
    }
}
