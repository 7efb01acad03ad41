//! Files of tensors, in the format safetensors.

use std::path::Path;

use mmnas_bundle::write_atomically;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};
use crate::error::{Error, Result};

/// The tensors of a file's `content`.
pub(crate) fn parse(content: &[u8], file: &Path) -> Result<Tensors> {
    let read = SafeTensors::deserialize(content).map_err(|e| Error::invalid(file, "(file)", "safetensors", e))?;
    let mut tensors = Tensors::new();
    for (name, view) in read.iter() {
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()),
            Dtype::I64 => Data::I64(bytes.as_chunks::<8>().0.iter().map(|c| i64::from_le_bytes(*c)).collect()),
            Dtype::U8 => Data::U8(bytes.to_vec()),
            other => return Err(Error::invalid(file, name, "F32, I64 or U8", format!("{other:?}"))),
        };
        let shape = view.shape();
        let tensor = Tensor::new(shape.to_vec(), data);
        let tensor = tensor.ok_or_else(|| Error::invalid(file, name, format!("numbers for {shape:?}"), "others"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Writes tensors as a whole file.
pub(crate) fn write(tensors: &Tensors, file: &Path) -> Result<()> {
    let bytes = |tensor: &Tensor| match tensor.data() {
        Data::F32(values) => (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()),
        Data::I64(values) => (Dtype::I64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Data::U8(values) => (Dtype::U8, values.clone()),
    };
    let wrong = |e| Error::invalid(file, "(file)", "tensors", e);
    let stored: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor.shape().to_vec(), bytes(tensor))).collect();
    let views = stored
        .iter()
        .map(|(name, shape, (dtype, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(wrong)?)))
        .collect::<Result<Vec<_>>>()?;
    let content = safetensors::serialize(views, None).map_err(wrong)?;
    Ok(write_atomically(file, &content)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.safetensors");
        let tensor = |shape: &[usize], data| Tensor::new(shape.to_vec(), data).unwrap();
        let tensors = Tensors::from([
            ("a".to_owned(), tensor(&[2, 1], Data::F32(vec![0.5, -1.0]))),
            ("b".to_owned(), tensor(&[1], Data::I64(vec![-7]))),
            ("c".to_owned(), tensor(&[0, 3], Data::U8(vec![]))),
        ]);
        write(&tensors, &file).unwrap();
        assert_eq!(parse(&std::fs::read(&file).unwrap(), &file).unwrap(), tensors);
    }
}
