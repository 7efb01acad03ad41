//! The vision stage: a backbone (an EfficientNet-Lite, or any encoder in ONNX) and, where wanted, a detector, as graphs.

pub(crate) mod backbone;
pub(crate) mod connected_components;
pub mod efficientnet;
pub mod encoder;
pub(crate) mod regions;
pub(crate) mod settings;
pub(crate) mod write;
