//! Named tensors in safetensors files, and the checkpoint of a run.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use mmnas_bundle::write_atomically;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::nn::parameters::Parameters;

/// Tensors by name, as files hold them.
pub type TensorMap = BTreeMap<String, Tensor>;

fn broken(file: &Path, field: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::Checkpoint {
        file: file.to_path_buf(),
        field: field.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

const KINDS: [(Kind, Dtype); 5] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::Int64, Dtype::I64),
    (Kind::Uint8, Dtype::U8),
    (Kind::Half, Dtype::F16),
];

/// The bytes of a tensor, row-major.
pub(crate) fn tensor_bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// Writes tensors and text as one safetensors file, atomically.
///
/// # Errors
///
/// [`Error::Checkpoint`] for a tensor of another kind than f32, f64, f16, i64 or u8, or one that
/// safetensors refuses. [`Error::Bundle`] if the file cannot be written.
pub fn save_tensors(file: &Path, tensors: &TensorMap, metadata: HashMap<String, String>) -> Result<()> {
    let mut content = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let dtype = KINDS.iter().find(|(kind, _)| *kind == tensor.kind()).map(|(_, dtype)| *dtype);
        let dtype =
            dtype.ok_or_else(|| broken(file, name, "f32, f64, f16, i64 or u8", format!("{:?}", tensor.kind())))?;
        let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
        content.push((name.as_str(), dtype, shape, tensor_bytes(tensor)));
    }
    let view = |(name, dtype, shape, bytes)| {
        let (name, dtype, shape, bytes): (&str, &Dtype, &Vec<usize>, &Vec<u8>) = (name, dtype, shape, bytes);
        Ok((
            name,
            TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| broken(file, name, "a consistent tensor", e))?,
        ))
    };
    let views = content.iter().map(|(n, d, s, b)| view((*n, d, s, b))).collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| broken(file, "(tensors)", "serialisable tensors", e))?;
    Ok(write_atomically(file, &bytes)?)
}

/// Reads a safetensors file: tensors and text.
///
/// # Errors
///
/// [`Error::Bundle`] if the file cannot be read. [`Error::Checkpoint`] if it is not safetensors or
/// holds a tensor of another kind than f32, f64, f16, i64 or u8. [`Error::Torch`] if libtorch
/// refuses a tensor.
pub fn load_tensors(file: &Path) -> Result<(TensorMap, HashMap<String, String>)> {
    let bytes = std::fs::read(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
    let damaged = |e| broken(file, "(file)", "safetensors", e);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut map = TensorMap::new();
    for (name, view) in tensors.iter() {
        let kind = KINDS.iter().find(|(_, dtype)| *dtype == view.dtype()).map(|(kind, _)| *kind);
        let kind = kind.ok_or_else(|| broken(file, name, "f32, f64, f16, i64 or u8", format!("{:?}", view.dtype())))?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        map.insert(name.to_owned(), Tensor::f_from_data_size(view.data(), &shape, kind)?);
    }
    Ok((map, metadata.metadata().clone().unwrap_or_default()))
}

/// Copies tensors into a network's parameters.
///
/// Every parameter must be in `from`, as `prefix` and its name, with its shape.
pub(crate) fn copy_into(parameters: &Parameters, from: &TensorMap, prefix: &str, file: &Path) -> Result<()> {
    let _guard = tch::no_grad_guard();
    for (name, parameter) in parameters {
        let key = format!("{prefix}{name}");
        let tensor = from.get(&key).ok_or_else(|| broken(file, &key, "a tensor", "none"))?;
        if tensor.size() != parameter.size() {
            return Err(broken(file, &key, format!("shape {:?}", parameter.size()), format!("{:?}", tensor.size())));
        }
        parameter.shallow_clone().copy_(tensor);
    }
    Ok(())
}

/// Checkpoint of a run: a serde state and tensors in one file.
///
/// The file is replaced atomically.
#[derive(Debug)]
pub struct Checkpoint<S> {
    /// Counters, log, best result.
    pub state: S,
    /// Weights, alpha, moments of the optimisers.
    pub tensors: TensorMap,
}

impl<S: Serialize + DeserializeOwned> Checkpoint<S> {
    /// Writes the file; a crash or a full disk leaves the one before.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the state or a tensor cannot be serialised. [`Error::Bundle`] if
    /// the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let state = serde_json::to_string(&self.state).map_err(|e| broken(file, "state", "a serialisable state", e))?;
        save_tensors(file, &self.tensors, [("state".to_owned(), state)].into())
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Those of [`load_tensors`]; [`Error::Checkpoint`] if the state is missing or does not parse.
    pub fn load(file: &Path) -> Result<Checkpoint<S>> {
        let (tensors, metadata) = load_tensors(file)?;
        let state = metadata.get("state").ok_or_else(|| broken(file, "state", "the state of a run", "none"))?;
        let state = serde_json::from_str(state).map_err(|e| broken(file, "state", "the state of a run", e))?;
        Ok(Checkpoint { state, tensors })
    }
}
