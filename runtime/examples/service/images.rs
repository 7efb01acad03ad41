//! Images that were sent, by number: their files, and what the model in use made of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use mmnas_runtime::{Error, ImageState, Model, Result};

/// Bytes of all kept files at most.
const MOST_BYTES: usize = 512 << 20;

/// A kept image.
#[derive(Clone)]
struct Kept {
    file: Bytes,
    state: ImageState,
}

/// The images; the oldest make room for new ones.
pub(crate) struct Images {
    most: usize,
    kept: Mutex<(u64, BTreeMap<String, Kept>, VecDeque<String>)>,
}

impl Images {
    pub(crate) fn new(most: usize) -> Arc<Images> {
        Arc::new(Images { most: most.max(1), kept: Mutex::new((0, BTreeMap::new(), VecDeque::new())) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (u64, BTreeMap<String, Kept>, VecDeque<String>)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes an image and keeps it; gives its number.
    pub(crate) fn add(&self, model: &Model, file: Bytes) -> Result<(String, ImageState)> {
        let state = model.encode_image_bytes(&file)?;
        let mut guard = self.lock();
        let (last, kept, order) = &mut *guard;
        *last += 1;
        let number = last.to_string();
        kept.insert(number.clone(), Kept { file, state: state.clone() });
        order.push_back(number.clone());
        let mut bytes: usize = kept.values().map(|kept| kept.file.len()).sum();
        while order.len() > self.most || bytes > MOST_BYTES && order.len() > 1 {
            if let Some(oldest) = order.pop_front() {
                bytes -= kept.remove(&oldest).map_or(0, |kept| kept.file.len());
            }
        }
        Ok((number, state))
    }

    /// The file of an image.
    pub(crate) fn file(&self, number: &str) -> Option<Bytes> {
        self.lock().1.get(number).map(|kept| kept.file.clone())
    }

    /// The state of an image, made anew where another model was in use when it was sent; none where there is no such image.
    pub(crate) fn state(&self, model: &Model, number: &str) -> Result<Option<ImageState>> {
        let Some(kept) = self.lock().1.get(number).cloned() else { return Ok(None) };
        match model.owns(&kept.state) {
            true => Ok(Some(kept.state)),
            false => {
                let state = model.encode_image_bytes(&kept.file)?;
                if let Some(kept) = self.lock().1.get_mut(number) {
                    kept.state = state.clone();
                }
                Ok(Some(state))
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().1.len()
    }
}

/// What is told where an image is not there any more.
pub(crate) fn gone(number: &str) -> Error {
    Error::Argument {
        argument: "image",
        expected: "the number of an image that is kept".to_owned(),
        found: number.chars().take(40).collect(),
    }
}
