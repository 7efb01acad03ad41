//! Weights and an architecture become an ONNX bundle; no libtorch anywhere (`cargo tree -p mmnas-export` proves it).
//!
//! A network is cut into three stages because its two sides can be kept: `text` (tokens → text state), `image` (region
//! features and boxes → image state) and `fusion` (both states → the head's output). [`write_bundle`] writes them with
//! everything else that a bundle holds; [`write_vision`] writes a vision stage that stands alone.

mod blocks;
mod bundle;
mod card;
mod error;
mod folder_writer;
mod fusion_stage;
mod golden;
mod graph;
mod head;
mod image_stage;
mod inference;
mod int8;
mod layers;
mod linear_embedding;
mod mask;
mod model;
mod onnx;
mod regions;
mod requantise;
mod reshaping;
mod segments;
mod source;
mod states;
mod text_stage;
mod triton;
mod value_type;
mod verified;
mod vision;
mod weight_files;
mod weights;

pub mod efficientnet;

pub use bundle::{BundleParts, ExportSettings, write_bundle};
pub use error::{Error, Result};
pub use golden::GoldenTensor;
pub use int8::Int8Scheme;
pub use requantise::{Requantised, requantise_bundle};
pub use segments::segments;
pub use triton::{TritonSettings, write_triton};
pub use verified::{FailedGraphs, Measure, Verified};
pub use vision::{BOX_FEATURES, Proposals, VisionSettings, write_vision};
pub use weights::{Weight, Weights};

/// Opset of the standard operators in every graph.
pub const OPSET: i64 = 20;
