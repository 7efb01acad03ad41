//! ONNX graphs run through `ort` directly, independently of our runtime. A process that uses this must not use
//! `mmnas_runtime`: there is one environment a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use mmnas_search::Inputs;
use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use tch::{Device, Kind, Tensor};

use crate::programs::onnxruntime;

/// Tensors by name.
pub type Values = BTreeMap<String, Tensor>;

/// All graphs of the process share their threads, as our runtime's do; the first graph says how many.
fn environment(threads: usize) -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let builder = ort::init_from(onnxruntime()).unwrap_or_else(|e| panic!("{e} (make setup installs it)"));
        let build = || -> ort::Result<Environment> {
            let pool = GlobalThreadPoolOptions::default().with_intra_threads(threads)?.with_inter_threads(1)?;
            builder.with_name("tests").with_global_thread_pool(pool).with_telemetry(false).build()
        };
        build().unwrap_or_else(|e| panic!("{e}"))
    })
}

/// A graph in ONNX Runtime.
#[derive(Debug)]
pub struct OnnxGraph {
    session: Session,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl OnnxGraph {
    /// Loads a graph with its external weights.
    pub fn load(file: &Path, threads: usize) -> OnnxGraph {
        OnnxGraph::load_at(file, threads, GraphOptimizationLevel::All)
    }

    /// As [`OnnxGraph::load`], the graph as it is written.
    pub fn load_unoptimised(file: &Path, threads: usize) -> OnnxGraph {
        OnnxGraph::load_at(file, threads, GraphOptimizationLevel::Disable)
    }

    fn load_at(file: &Path, threads: usize, level: GraphOptimizationLevel) -> OnnxGraph {
        let load = || -> ort::Result<Session> {
            Session::builder(environment(threads))?.with_optimization_level(level)?.commit_from_file(file)
        };
        let session = load().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let inputs = session.inputs().iter().map(|o| o.name().to_owned()).collect();
        let outputs = session.outputs().iter().map(|o| o.name().to_owned()).collect();
        OnnxGraph { session, inputs, outputs }
    }

    /// Runs the graph on those of `values` that it reads: 32-bit floats and 64-bit integers.
    pub fn run(&mut self, values: &Values) -> Values {
        let mut feeds: Vec<(String, SessionInputValue<'_>)> = Vec::new();
        let of: Vec<Tensor> = self.inputs.iter().map(|name| values[name].contiguous().to_device(Device::Cpu)).collect();
        let numbers: Vec<(Vec<i64>, Vec<f32>, Vec<i64>)> = of.iter().map(numbers).collect();
        for (name, (shape, floats, integers)) in self.inputs.iter().zip(&numbers) {
            let value: ort::Result<SessionInputValue<'_>> = if values[name].kind() == Kind::Float {
                TensorRef::from_array_view((shape.clone(), floats.as_slice())).map(Into::into)
            } else {
                TensorRef::from_array_view((shape.clone(), integers.as_slice())).map(Into::into)
            };
            feeds.push((name.clone(), value.unwrap_or_else(|e| panic!("{name}: {e}"))));
        }
        let results = self.session.run(feeds).unwrap_or_else(|e| panic!("{e}"));
        let output = |name: &String| {
            let (shape, data) = results[name.as_str()].try_extract_tensor::<f32>().unwrap_or_else(|e| panic!("{e}"));
            (name.clone(), Tensor::from_slice(data).view(shape.to_vec().as_slice()))
        };
        self.outputs.iter().map(output).collect()
    }
}

/// The inputs of a network by the names that its graphs give them.
pub fn values(inputs: &Inputs) -> Values {
    [
        ("tokens", inputs.tokens.shallow_clone()),
        ("token_count", Tensor::from_slice(&inputs.token_count)),
        ("features", inputs.features.shallow_clone()),
        ("boxes", inputs.boxes.shallow_clone()),
        ("region_count", Tensor::from_slice(&inputs.region_count)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into()
}

fn numbers(tensor: &Tensor) -> (Vec<i64>, Vec<f32>, Vec<i64>) {
    let flat = tensor.flatten(0, -1);
    if tensor.kind() == Kind::Float {
        (tensor.size(), Vec::<f32>::try_from(flat).unwrap_or_else(|e| panic!("{e}")), Vec::new())
    } else {
        (tensor.size(), Vec::new(), Vec::<i64>::try_from(flat).unwrap_or_else(|e| panic!("{e}")))
    }
}

/// The three stages of a form of a bundle.
#[derive(Debug)]
pub struct OnnxNetwork {
    /// Text, image and fusion.
    pub stages: [OnnxGraph; 3],
}

impl OnnxNetwork {
    /// Loads the graphs `text*.onnx`, `image*.onnx` and `fusion*.onnx`; `end` is what follows the stage's name.
    pub fn load(bundle: &Path, end: &str, threads: usize) -> OnnxNetwork {
        let stage = |name: &str| OnnxGraph::load(&bundle.join(format!("{name}{end}")), threads);
        OnnxNetwork { stages: ["text", "image", "fusion"].map(stage) }
    }

    /// Runs the stages one after the other; gives the head's outputs.
    pub fn run(&mut self, inputs: &Values) -> Values {
        let mut values: Values = inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        for stage in &mut self.stages[..2] {
            let states = stage.run(&values);
            values.extend(states);
        }
        self.stages[2].run(&values)
    }
}
