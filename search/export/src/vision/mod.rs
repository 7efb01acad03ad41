//! The vision stage: an EfficientNet-Lite and, where wanted, a detector, as ONNX graphs.

pub(crate) mod backbone;
pub(crate) mod connected_components;
pub mod efficientnet;
pub(crate) mod settings;
pub(crate) mod write;
