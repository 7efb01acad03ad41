//! Parameters from safetensors files and PyTorch checkpoints.
//!
//! The latter are what `torch.save` wrote, before and since PyTorch 1.6. A pickle is parsed, never run, and every size
//! that a file claims is checked before anything is allocated.

use std::path::Path;

use pytorch_reader::{DType, PytorchReader};
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::weights::{Weight, Weights};

/// Where a training checkpoint keeps its parameters.
const STATE_DICT: &str = "state_dict";
/// What `torch.nn.DataParallel` puts before every name.
const PARALLEL: &str = "module.";

fn checkpoint(file: &Path, expected: &'static str) -> impl Fn(String) -> Error {
    move |found| Error::Checkpoint { file: file.to_path_buf(), expected, found }
}

impl Weights {
    /// Reads a safetensors file or a PyTorch checkpoint, told by its content.
    ///
    /// If a checkpoint has parameters under `state_dict`, those are taken. A `module.` before all names is left out.
    ///
    /// # Errors
    /// A file that cannot be read, or is of neither kind.
    pub fn read(file: &Path) -> Result<Weights> {
        let weights =
            if is_safetensors(file)? { Weights::read_safetensors(file)? } else { Weights::read_pytorch(file)? };
        Ok(weights.without_prefix(PARALLEL))
    }

    /// Reads the float tensors of a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be read, or holds tensors of other numbers than floats.
    pub fn read_safetensors(file: &Path) -> Result<Weights> {
        let content = std::fs::read(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
        let wrong = checkpoint(file, "safetensors with tensors of floats");
        let tensors = SafeTensors::deserialize(&content).map_err(|e| wrong(e.to_string()))?;
        let weight = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
            let data = match view.dtype() {
                Dtype::F32 => f32s(view.data()),
                Dtype::F64 => f64s(view.data()),
                Dtype::F16 => f16s(view.data()),
                Dtype::BF16 => bf16s(view.data()),
                other => return Err(wrong(format!("{name} of {other:?}"))),
            };
            Ok((name.to_owned(), Weight { shape: view.shape().to_vec(), data }))
        };
        tensors.iter().map(weight).collect()
    }

    /// Reads the float tensors of a PyTorch checkpoint.
    ///
    /// It may be zip or legacy, with any strides. If there are tensors under `state_dict`, those are taken. Integer
    /// tensors (counters of batch norms) are left out.
    ///
    /// # Errors
    /// A file that cannot be read or parsed; tensors that claim more bytes than it has; no tensor of floats.
    pub fn read_pytorch(file: &Path) -> Result<Weights> {
        let wrong = checkpoint(file, "a PyTorch checkpoint with tensors of floats");
        // Without the key the names of all tensors tell whether there is one.
        let mut reader = PytorchReader::new(file).map_err(|e| wrong(e.to_string()))?;
        if reader.tensors().keys().any(|name| name.strip_prefix(STATE_DICT).is_some_and(|rest| rest.starts_with('.'))) {
            reader = PytorchReader::with_top_level_key(file, STATE_DICT).map_err(|e| wrong(e.to_string()))?;
        }
        // Views can make much of little: tensors of one number that claim to be large ones. Real parameters share nothing.
        let length = file.metadata().map_err(mmnas_bundle::Error::io(file, "read"))?.len();
        let claimed = reader.tensors().values().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_len() as u64));
        if claimed > length.saturating_mul(2) {
            return Err(wrong(format!("tensors of {claimed} bytes in a file of {length}")));
        }
        let mut weights = Vec::new();
        for (name, tensor) in reader.tensors() {
            let floats: fn(&[u8]) -> Vec<f32> = match tensor.dtype() {
                DType::F32 => f32s,
                DType::F64 => f64s,
                DType::F16 => f16s,
                DType::BF16 => bf16s,
                _ => continue,
            };
            let bytes = tensor.read().map_err(|e| wrong(format!("{name}: {e}")))?;
            weights.push((name.clone(), Weight { shape: tensor.shape().to_vec(), data: floats(&bytes) }));
        }
        if weights.is_empty() {
            return Err(wrong("no tensor of floats".into()));
        }
        Ok(weights.into_iter().collect())
    }
}

/// Whether a file begins as safetensors do.
///
/// That is the length of a header in JSON, and its brace.
fn is_safetensors(file: &Path) -> Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    let handle = std::fs::File::open(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
    handle.take(9).read_to_end(&mut start).map_err(mmnas_bundle::Error::io(file, "read"))?;
    Ok(start.len() == 9 && start[8] == b'{')
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()
}

fn f64s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c) as f32).collect()
}

fn f16s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|c| half::f16::from_le_bytes(*c).to_f32()).collect()
}

fn bf16s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|c| half::bf16::from_le_bytes(*c).to_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_every_width_are_read() {
        assert_eq!(f32s(&1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(f64s(&1.5f64.to_le_bytes()), [1.5]);
        assert_eq!(f16s(&half::f16::from_f32(1.5).to_le_bytes()), [1.5]);
        assert_eq!(bf16s(&half::bf16::from_f32(1.5).to_le_bytes()), [1.5]);
    }

    #[test]
    fn what_is_neither_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.pth");
        for content in [&b""[..], b"\x80\x02", b"not a checkpoint at all", b"12345678{\"a\": 1}"] {
            std::fs::write(&file, content).unwrap();
            assert!(Weights::read(&file).unwrap_err().to_string().contains("x.pth"), "{content:?}");
        }
    }
}
