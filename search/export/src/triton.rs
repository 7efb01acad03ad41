//! A bundle as a model repository of NVIDIA's Triton Inference Server.
//!
//! Each stage is a model; an ensemble runs them one after the other.

use std::fmt::Write as _;
use std::path::Path;

use mmnas_bundle::manifest::{Dim, Dtype, Form, MANIFEST, Stage, TensorSpec};
use mmnas_bundle::{Bundle, Error as BundleError, NewFolder, write_atomically};

use crate::error::Result;

/// How a model repository is written.
#[derive(Debug, Clone)]
pub struct TritonSettings {
    /// Which graphs are served.
    pub form: Form,
    /// Name of the ensemble; the stages are called `NAME_text` and so on.
    ///
    /// Letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Most items of one batch.
    pub max_batch: u32,
}

fn data_type(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "TYPE_FP32",
        Dtype::I64 => "TYPE_INT64",
        Dtype::U8 => "TYPE_UINT8",
    }
}

/// The inputs or outputs of a stage: `input [ { name: … } … ]`.
///
/// The batch, every tensor's first dimension, is Triton's own. What has no other dimension is a vector with one number
/// an item, which Triton calls dimensions of `[ 1 ]` that are reshaped to none.
fn tensors(kind: &str, specs: &[TensorSpec]) -> String {
    let tensor = |spec: &TensorSpec| {
        let dim = |dim: &Dim| match dim {
            Dim::Fixed(n) => n.to_string(),
            Dim::Named(_) => "-1".to_owned(),
        };
        let dims: Vec<String> = spec.shape.iter().skip(1).map(dim).collect();
        let (dims, reshape) =
            if dims.is_empty() { ("1".to_owned(), "\n    reshape { shape: [ ] }") } else { (dims.join(", "), "") };
        let dtype = data_type(spec.dtype);
        format!("  {{\n    name: \"{}\"\n    data_type: {dtype}\n    dims: [ {dims} ]{reshape}\n  }}", spec.name)
    };
    format!("{kind} [\n{}\n]\n", specs.iter().map(tensor).collect::<Vec<_>>().join(",\n"))
}

fn stage_config(name: &str, stage: &Stage, max_batch: u32) -> String {
    format!(
        "name: \"{name}\"\nbackend: \"onnxruntime\"\nmax_batch_size: {max_batch}\n{}{}dynamic_batching {{ }}\n",
        tensors("input", &stage.inputs),
        tensors("output", &stage.outputs)
    )
}

/// One step of the ensemble.
///
/// Every tensor of the stage has its own name, which is the same in all stages.
fn step(name: &str, stage: &Stage) -> String {
    let map = |kind: &str, specs: &[TensorSpec]| {
        specs.iter().fold(String::new(), |mut text, spec| {
            let _ = write!(text, "\n      {kind} {{ key: \"{0}\" value: \"{0}\" }}", spec.name);
            text
        })
    };
    let (inputs, outputs) = (map("input_map", &stage.inputs), map("output_map", &stage.outputs));
    format!("    {{\n      model_name: \"{name}\"\n      model_version: -1{inputs}{outputs}\n    }}")
}

fn ensemble_config(settings: &TritonSettings, stages: &[(&'static str, &Stage); 3]) -> String {
    let mut inputs: Vec<TensorSpec> = Vec::new();
    for spec in stages.iter().flat_map(|(_, stage)| &stage.inputs) {
        let inner = stages[..2].iter().any(|(_, stage)| stage.outputs.iter().any(|output| output.name == spec.name));
        if !inner && !inputs.iter().any(|known| known.name == spec.name) {
            inputs.push(spec.clone());
        }
    }
    let steps = stages.map(|(name, stage)| step(&format!("{}_{name}", settings.name), stage)).join(",\n");
    format!(
        "name: \"{}\"\nplatform: \"ensemble\"\nmax_batch_size: {}\n{}{}ensemble_scheduling {{\n  step [\n{steps}\n  ]\n}}\n",
        settings.name,
        settings.max_batch,
        // Reshaping is the stages' business.
        tensors("input", &inputs).replace("\n    reshape { shape: [ ] }", ""),
        tensors("output", &stages[2].1.outputs)
    )
}

/// Writes the model repository of `bundle` to the new folder `out`.
///
/// It holds `NAME/config.pbtxt` with an empty version folder, `NAME_STAGE/config.pbtxt` and `NAME_STAGE/1/model.onnx`.
///
/// # Errors
/// A name or a batch that Triton does not take; a form that the bundle lacks; a folder that cannot be written.
pub fn write_triton(bundle: &Bundle, settings: &TritonSettings, out: &Path) -> Result<()> {
    let manifest = bundle.manifest();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if settings.name.is_empty() || settings.name.starts_with('.') || !settings.name.chars().all(allowed) {
        let expected = "letters, digits, '_', '-' and '.', no dot first";
        return Err(BundleError::invalid("config.pbtxt", "name", expected, format!("{:?}", settings.name)).into());
    }
    if settings.max_batch == 0 || i32::try_from(settings.max_batch).is_err() {
        let expected = format!("1 to {}", i32::MAX);
        return Err(BundleError::invalid("config.pbtxt", "max_batch_size", expected, settings.max_batch).into());
    }
    let folder = NewFolder::create(out)?;
    let create = |path: &Path| std::fs::create_dir_all(path).map_err(BundleError::io(path, "create"));
    let stages = manifest.stages.named();
    for (name, stage) in stages {
        let graph = stage.graph(settings.form).ok_or_else(|| {
            let file = bundle.folder().join(MANIFEST);
            let found = stage.graphs.iter().map(|graph| graph.form().to_string()).collect::<Vec<_>>().join(", ");
            BundleError::invalid(file, format!("stages.{name}.graphs"), format!("a graph {}", settings.form), found)
        })?;
        let model = format!("{}_{name}", settings.name);
        let version = folder.path().join(&model).join("1");
        create(&version)?;
        write_atomically(&version.join("model.onnx"), &bundle.read(&graph.file)?)?;
        if let Some(data) = &graph.data {
            // The graph knows its weights by this name, beside it.
            let (from, to) = (bundle.check_file(data)?, version.join(data));
            std::fs::copy(from, &to).map_err(BundleError::io(&to, "write"))?;
        }
        let config = stage_config(&model, stage, settings.max_batch);
        write_atomically(&folder.path().join(&model).join("config.pbtxt"), config.as_bytes())?;
    }
    let ensemble = folder.path().join(&settings.name);
    create(&ensemble.join("1"))?;
    write_atomically(&ensemble.join("config.pbtxt"), ensemble_config(settings, &stages).as_bytes())?;
    Ok(folder.finish()?)
}
