//! Weights and an architecture become an ONNX bundle, without libtorch.
//!
//! `cargo tree -p mmnas-export` shows that no libtorch is needed. A network is cut into three stages because its two
//! sides can be kept: `text` (tokens → text state), `image` (region features and boxes → image state) and `fusion`
//! (both states → the head's output). [`write_bundle`] writes them with everything else that a bundle holds;
//! [`write_vision`] writes a vision stage that stands alone.

mod bundle;
mod error;
mod folder_writer;
mod golden;
mod network;
mod onnx;
mod probes;
mod stages;
mod triton;
mod vision;
mod weights;

pub use bundle::requantise::{Requantised, requantise_bundle};
pub use bundle::verified::{Measure, Verified};
pub use bundle::write::{BundleParts, ExportSettings, write_bundle};
pub use error::{Error, FailedGraphs, Result};
pub use golden::GoldenTensor;
pub use onnx::model::OPSET;
pub use onnx::onnx_model::{OnnxModel, OnnxValue};
pub use probes::{PlannedProbe, ProbeSettings, plan, write_probes};
pub use triton::{TritonSettings, write_triton};
pub use vision::connected_components::segments;
pub use vision::efficientnet;
pub use vision::encoder;
pub use vision::settings::{BOX_FEATURES, Proposals, RegionSettings, VisionSettings};
pub use vision::write::write_vision;
pub use weights::int8::Int8Scheme;
pub use weights::{Weight, Weights};
