//! Any vision encoder in ONNX as the backbone of a vision stage.

pub mod detected;
pub mod encoder_input;
pub mod encoder_map;
pub mod preprocessor;
pub mod reference;
pub mod stage;
