//! Compares tensors with what the manifest says about them.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{Dim, Dtype, TensorSpec};

use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// Checks the tensors of one call.
///
/// A named dimension has the same size everywhere in it.
pub(crate) struct CallCheck<'a> {
    file: &'a Path,
    sizes: BTreeMap<&'a str, usize>,
}

impl<'a> CallCheck<'a> {
    /// A new call of the graph in `file`.
    pub(crate) fn new(file: &'a Path) -> CallCheck<'a> {
        CallCheck { file, sizes: BTreeMap::new() }
    }

    /// Checks one tensor; the sizes of its named dimensions hold for those that follow.
    pub(crate) fn check(&mut self, spec: &'a TensorSpec, tensor: &Tensor) -> Result<()> {
        let mut fits = tensor.dtype() == spec.dtype && tensor.shape().len() == spec.shape.len();
        for (dim, &size) in spec.shape.iter().zip(tensor.shape()) {
            fits &= match dim {
                Dim::Fixed(expected) => *expected == size,
                Dim::Named(name) => *self.sizes.entry(name).or_insert(size) == size,
            };
        }
        if fits {
            return Ok(());
        }
        Err(Error::Tensor {
            file: self.file.to_path_buf(),
            tensor: spec.name.clone(),
            expected: describe(spec, &self.sizes),
            found: format!("{} {:?}", dtype_name(tensor.dtype()), tensor.shape()),
        })
    }
}

/// A spec for people: `f32 [batch, regions, 4]`.
pub(crate) fn describe_spec(spec: &TensorSpec) -> String {
    describe(spec, &BTreeMap::new())
}

/// As [`describe_spec`], with the sizes that names are known to have.
fn describe(spec: &TensorSpec, sizes: &BTreeMap<&str, usize>) -> String {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Named(name) => match sizes.get(name.as_str()) {
            Some(size) => format!("{name} = {size}"),
            None => name.clone(),
        },
    };
    format!("{} [{}]", dtype_name(spec.dtype), spec.shape.iter().map(dim).collect::<Vec<_>>().join(", "))
}

/// The element type as the manifest writes it.
pub(crate) fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::I64 => "i64",
        Dtype::U8 => "u8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tensor::Data;

    fn floats(shape: &[usize]) -> Tensor {
        Tensor::new(shape.to_vec(), Data::F32(vec![0.0; shape.iter().product()])).unwrap()
    }

    #[test]
    fn a_name_is_one_size_in_a_call() {
        let a = TensorSpec::new("a", Dtype::F32, &["batch", "regions", "3"]);
        let b = TensorSpec::new("b", Dtype::F32, &["batch", "regions"]);
        let mut call = CallCheck::new(Path::new("x.onnx"));
        call.check(&a, &floats(&[1, 4, 3])).unwrap();
        call.check(&b, &floats(&[1, 4])).unwrap();
        let error = call.check(&b, &floats(&[1, 5])).unwrap_err().to_string();
        assert_eq!(error, "x.onnx: b: expected f32 [batch = 1, regions = 4], found f32 [1, 5]");
    }

    #[test]
    fn rank_size_and_type_count() {
        let spec = TensorSpec::new("a", Dtype::F32, &["batch", "3"]);
        let tensors = [floats(&[3]), floats(&[1, 4]), Tensor::new(vec![1, 3], Data::I64(vec![0; 3])).unwrap()];
        for tensor in tensors {
            assert!(CallCheck::new(Path::new("x.onnx")).check(&spec, &tensor).is_err(), "{tensor:?}");
        }
    }
}
