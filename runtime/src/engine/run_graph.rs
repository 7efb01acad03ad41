//! Any ONNX graph, run once on the tensors of a file.

use std::path::Path;

use crate::engine::options::LoadOptions;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::stage::StageRunner;
use crate::engine::tensor_file;
use crate::error::{Error, Result};

/// Runs an ONNX graph on the tensors in the file `inputs` (safetensors), and writes what it gives to the new file `out`.
///
/// It is for graphs of somebody else, which no manifest describes: to see what a model gives on its own. Inputs are found
/// by their names; others in the file are ignored. Returns names and shapes of the outputs.
///
/// # Errors
/// A graph that ONNX Runtime does not load or run; inputs or outputs that are not f32, i64 or u8; an input that the file
/// does not hold; files that cannot be read or written; `out` exists.
pub fn run_graph(graph: &Path, inputs: &Path, out: &Path, options: &LoadOptions) -> Result<Vec<(String, Vec<usize>)>> {
    if out.exists() {
        return Err(Error::invalid(out, "(file)", "a new file", "one that exists"));
    }
    let content = std::fs::read(inputs).map_err(mmnas_bundle::Error::io(inputs, "read"))?;
    let inputs = tensor_file::parse(&content, inputs)?;
    std::fs::metadata(graph).map_err(mmnas_bundle::Error::io(graph, "read"))?;
    let file = GraphFile { path: graph.to_path_buf(), content: None, data: None };
    let outputs = StageRunner::undescribed(&Sessions::new(options)?, &file)?.run(&[&inputs])?;
    tensor_file::write(&outputs, out)?;
    Ok(outputs.into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect())
}
