//! The contract between the search side, which writes bundles, and the runtime, which runs them.
//!
//! A *bundle* is a folder that holds an exported multimodal network: ONNX graphs of its stages, the tokenizer, the
//! answer labels, recorded inputs and outputs, and a [`Manifest`] that describes them. This crate knows what an
//! [`Architecture`] is, what a bundle holds, how text becomes ids ([`TextEncoder`]), and how boxes become relations and
//! box features ([`boxes`]), and what samples of data sets are and how they count ([`samples`], [`answers`], [`recall`]). It
//! knows no engine: neither ONNX Runtime nor libtorch.
//!
//! Names follow Yu et al., "Deep Multimodal Neural Architecture Search" (ACM MM 2020), and its published code.

pub mod answers;
pub mod boxes;
pub mod golden;
pub mod image_names;
pub mod manifest;
pub mod npz;
pub mod recall;
pub mod samples;

mod architecture;
mod bundle;
mod contractions;
mod error;
mod feature_shard;
mod features;
mod files;
mod folder;
mod operation;
mod operation_kind;
mod published_regions;
mod text;
mod text_file;
mod vision_bundle;
mod writer_lock;

pub use architecture::Architecture;
pub use bundle::{Bundle, BundleFiles};
pub use error::{Error, Result};
pub use features::{FeatureIndex, FeatureShard, FeatureStore, FeatureWriter, RegionFeatures};
pub use files::{
    FileRecord, NewFolder, is_unfinished, remove_unfinished, sha256_hex, sha256_of_file, write_atomically,
};
pub use image_names::ImageNames;
pub use manifest::Manifest;
pub use operation::{Operation, OperationName, OperationNameError};
pub use operation_kind::{Heads, OperationKind};
pub use published_regions::{PublishedPlace, published_regions};
pub use text::{CLS, PAD, TextCoverage, TextEncoder, UNK, Vocabulary};
pub use text_file::{BYTE_ORDER_MARK, read_json_file, read_text_file, skip_byte_order_mark};
pub use vision_bundle::VisionBundle;
pub use writer_lock::{Writer, WriterLock};
