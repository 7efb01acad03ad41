//! The recorded inputs and outputs of a bundle.

use std::path::PathBuf;

use mmnas_bundle::manifest::{MANIFEST, TensorSpec};
use mmnas_bundle::{Bundle, golden};

use crate::engine::stage::Tensors;
use crate::engine::tensor::Tensor;
use crate::engine::tensor_file;
use crate::error::{Error, Result};

/// `golden.safetensors`, read whole.
pub(crate) struct Golden {
    file: PathBuf,
    tensors: Tensors,
}

impl Golden {
    /// Reads the bundle's recording.
    pub(crate) fn read(bundle: &Bundle<'_>) -> Result<Golden> {
        let manifest = bundle.folder().join(MANIFEST);
        let name = bundle.manifest().golden.as_deref();
        let name = name.ok_or_else(|| Error::invalid(&manifest, "golden", "a file name", "none"))?;
        let file = bundle.path(name)?;
        let tensors = tensor_file::parse(&bundle.read(name)?, &file)?;
        Ok(Golden { file, tensors })
    }

    /// The recorded inputs of `stage` that `specs` list.
    pub(crate) fn inputs(&self, stage: &str, specs: &[TensorSpec]) -> Result<Tensors> {
        self.collect(specs, |name| golden::input(stage, name))
    }

    /// Those of the inputs that `specs` list which were recorded for `stage`.
    pub(crate) fn some_inputs(&self, stage: &str, specs: &[TensorSpec]) -> Tensors {
        let recorded =
            specs.iter().filter_map(|spec| Some((spec.name.clone(), self.input(stage, &spec.name)?.clone())));
        recorded.collect()
    }

    /// The recorded outputs of `stage` that `specs` list.
    pub(crate) fn outputs(&self, stage: &str, specs: &[TensorSpec]) -> Result<Tensors> {
        self.collect(specs, |name| golden::output(stage, name))
    }

    /// The recorded input `name` of `stage`, where there is one.
    pub(crate) fn input(&self, stage: &str, name: &str) -> Option<&Tensor> {
        self.tensors.get(&golden::input(stage, name))
    }

    fn collect(&self, specs: &[TensorSpec], place: impl Fn(&str) -> String) -> Result<Tensors> {
        if specs.is_empty() {
            return Err(Error::invalid(&self.file, "(stage)", "at least one tensor to compare", "none"));
        }
        let tensor = |spec: &TensorSpec| {
            let name = place(&spec.name);
            let tensor = self.tensors.get(&name);
            let tensor = tensor.ok_or_else(|| Error::invalid(&self.file, &name, "a recorded tensor", "none"))?;
            Ok((spec.name.clone(), tensor.clone()))
        };
        specs.iter().map(tensor).collect()
    }
}
