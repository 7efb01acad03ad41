//! ONNX graphs: how they are put together, typed and serialised.

pub(crate) mod attribute;
mod embed;
pub(crate) mod graph;
pub(crate) mod model;
pub(crate) mod onnx_model;
pub(crate) mod proto;
pub(crate) mod raise_opset;
mod reshaping;
mod shape_inference;
pub(crate) mod value_type;
