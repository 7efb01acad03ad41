//! The command `run`.

use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::{LoadOptions, run_graph};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;

const NOTES: &str = "\
For graphs that no bundle describes: what does a model give on its own? `mmnas-search vision --onnx`
asks this of an encoder. Inputs and outputs are f32, i64 or u8; they are found by their names.

Example:
  mmnas run model.onnx --inputs images.safetensors --out outputs.safetensors";

#[derive(Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// Any ONNX graph
    graph: PathBuf,
    /// Its inputs, a safetensors file
    #[arg(long, value_name = "FILE")]
    inputs: PathBuf,
    /// New safetensors file for its outputs
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let outputs = run_graph(&arguments.graph, &arguments.inputs, &arguments.out, options)?;
    if arguments.json {
        let outputs: serde_json::Map<_, _> = outputs.into_iter().map(|(name, shape)| (name, json!(shape))).collect();
        return output::print_json(&json!({ "outputs": outputs }));
    }
    let outputs: Vec<String> = outputs.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
    Ok(output::print(&format!("{}: {}", arguments.out.display(), outputs.join(", ")))?)
}
