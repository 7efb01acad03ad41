//! ONNX graphs: how they are put together, typed and serialised.

pub(crate) mod attribute;
pub(crate) mod graph;
pub(crate) mod model;
pub(crate) mod proto;
mod reshaping;
mod shape_inference;
pub(crate) mod value_type;
