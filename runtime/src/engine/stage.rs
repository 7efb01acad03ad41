//! A stage of the network in ONNX Runtime, checked against the manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{Dim, Stage, TensorSpec};
use ort::session::{Session, SessionInputValue};
use ort::value::Outlet;

use crate::engine::limits::Watched;
use crate::engine::onnxruntime::run::SharedSession;
use crate::engine::provider::Provider;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::spec_check::{CallCheck, describe_spec, dtype_name};
use crate::engine::tensor::{Tensor, dtype_of};
use crate::error::{Error, Result};

/// Tensors by the names that graphs and manifest give them.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// A stage of the network in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct StageRunner {
    file: PathBuf,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    session: SharedSession,
    /// Whether a manifest says what sizes its tensors have.
    described: bool,
}

impl StageRunner {
    /// Loads a graph and compares it with what `stage` says.
    pub(crate) fn load(sessions: &Sessions, stage: &Stage, graph: &GraphFile<'_>) -> Result<StageRunner> {
        let (session, file) = (sessions.create(graph)?, &graph.path);
        check_names(file, "inputs", &stage.inputs, session.inputs())?;
        check_names(file, "outputs", &stage.outputs, session.outputs())?;
        // An input that the manifest does not list would never be fed.
        if let Some(extra) = session.inputs().iter().find(|o| stage.inputs.iter().all(|spec| spec.name != o.name())) {
            let expected = "only the inputs that the manifest lists";
            return Err(Error::invalid(file, "inputs", expected, format!("{:?}", extra.name())));
        }
        StageRunner::of(session, sessions, (stage.inputs.clone(), stage.outputs.clone()), file, true)
    }

    /// Loads a graph that nothing describes: its own inputs and outputs, of any sizes.
    pub(crate) fn undescribed(sessions: &Sessions, graph: &GraphFile<'_>) -> Result<StageRunner> {
        let session = sessions.create(graph)?;
        let spec = |outlet: &Outlet| {
            let dtype = dtype_of(outlet.dtype().tensor_type()).ok_or_else(|| {
                let found = format!("{:?}", outlet.dtype());
                Error::invalid(&graph.path, outlet.name(), "a tensor in f32, i64 or u8", found)
            })?;
            Ok(TensorSpec::new(outlet.name(), dtype, &[]))
        };
        let inputs = session.inputs().iter().map(spec).collect::<Result<Vec<_>>>()?;
        let outputs = session.outputs().iter().map(spec).collect::<Result<Vec<_>>>()?;
        StageRunner::of(session, sessions, (inputs, outputs), &graph.path, false)
    }

    fn of(
        session: Session,
        sessions: &Sessions,
        (inputs, outputs): (Vec<TensorSpec>, Vec<TensorSpec>),
        file: &Path,
        described: bool,
    ) -> Result<StageRunner> {
        let names = |specs: &'_ [TensorSpec]| specs.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>();
        let (of_inputs, of_outputs) = (names(&inputs), names(&outputs));
        // On GPUs it was not tried, and the binding's authors saw crashes.
        let at_once = sessions.provider() == Provider::Cpu;
        let (of_inputs, of_outputs) = (of_inputs.iter().map(String::as_str), of_outputs.iter().map(String::as_str));
        let session = SharedSession::new(session, of_inputs, of_outputs, at_once)
            .ok_or_else(|| Error::invalid(file, "inputs and outputs", "names without zeros", "one with"))?;
        Ok(StageRunner { file: file.to_path_buf(), inputs, outputs, session, described })
    }

    /// The graph's file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// What the stage gives.
    pub(crate) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// What the stage reads.
    pub(crate) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// As [`StageRunner::run_within`] without limits.
    pub(crate) fn run(&self, sources: &[&Tensors]) -> Result<Tensors> {
        self.run_within(sources, &Watched::default())
    }

    /// Runs the stage on the inputs that it lists, and gives the manifest's outputs.
    ///
    /// Each input is taken from the first of `sources` that holds it; the rest of the sources is ignored.
    pub(crate) fn run_within(&self, sources: &[&Tensors], limits: &Watched) -> Result<Tensors> {
        let mut call = CallCheck::new(&self.file);
        let mut feeds: Vec<SessionInputValue<'_>> = Vec::with_capacity(self.inputs.len());
        for spec in &self.inputs {
            let tensor = sources.iter().find_map(|source| source.get(&spec.name));
            let tensor = tensor.ok_or_else(|| self.missing(spec))?;
            if self.described {
                call.check(spec, tensor)?;
            }
            feeds.push(tensor.view().map_err(|e| Error::inference(&self.file, "feeding", &e))?);
        }
        let run = |options: Option<&_>| {
            self.session.run(&feeds, options).map_err(|e| Error::inference(&self.file, "running", &e))
        };
        let values = limits.run(run)?;
        let mut outputs = Tensors::new();
        for (spec, value) in self.outputs.iter().zip(&values) {
            let tensor = Tensor::copy_of(value).map_err(|e| Error::inference(&self.file, "reading an output", &e))?;
            if self.described {
                call.check(spec, &tensor)?;
            }
            outputs.insert(spec.name.clone(), tensor);
        }
        Ok(outputs)
    }

    fn missing(&self, spec: &TensorSpec) -> Error {
        Error::Tensor {
            file: self.file.clone(),
            tensor: spec.name.clone(),
            expected: "a tensor".to_owned(),
            found: "none".to_owned(),
        }
    }
}

/// Checks that a graph has every tensor of `specs`, in type and sizes.
fn check_names(file: &Path, side: &str, specs: &[TensorSpec], outlets: &[Outlet]) -> Result<()> {
    for spec in specs {
        let found = outlets.iter().find(|o| o.name() == spec.name);
        if found.is_some_and(|outlet| fits(spec, outlet)) {
            continue;
        }
        let found = found.map_or_else(|| "none".to_owned(), describe_outlet);
        return Err(Error::invalid(file, format!("{side}.{}", spec.name), describe_spec(spec), found));
    }
    Ok(())
}

/// Whether a graph's tensor can be what `spec` says.
///
/// Sizes that the graph leaves open, or a whole shape that it does not tell (no dimension), are checked in every call.
fn fits(spec: &TensorSpec, outlet: &Outlet) -> bool {
    let shape: &[i64] = outlet.dtype().tensor_shape().map_or(&[], |shape| shape);
    let same_size = |(dim, &size): (&Dim, &i64)| match dim {
        Dim::Fixed(expected) => size < 0 || usize::try_from(size) == Ok(*expected),
        Dim::Named(_) => true,
    };
    dtype_of(outlet.dtype().tensor_type()) == Some(spec.dtype)
        && (shape.is_empty() || shape.len() == spec.shape.len() && spec.shape.iter().zip(shape).all(same_size))
}

fn describe_outlet(outlet: &Outlet) -> String {
    let dtype = dtype_of(outlet.dtype().tensor_type()).map_or("another type", dtype_name);
    let size = |&size: &i64| if size < 0 { "?".to_owned() } else { size.to_string() };
    let sizes: Vec<String> = outlet.dtype().tensor_shape().map_or(Vec::new(), |shape| shape.iter().map(size).collect());
    format!("{dtype} [{}]", sizes.join(", "))
}
