//! ONNX Runtime and what runs in it: options, sessions, stages, tensors, limits.

pub(crate) mod batch;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod on_threads;
pub(crate) mod onnxruntime;
pub(crate) mod options;
pub(crate) mod provider;
pub(crate) mod provider_choice;
pub(crate) mod run_graph;
pub(crate) mod session;
pub(crate) mod spec_check;
pub(crate) mod stage;
pub(crate) mod stage_sources;
pub(crate) mod stopwatch;
pub(crate) mod tensor;
pub(crate) mod tensor_file;
pub(crate) mod tensor_names;
