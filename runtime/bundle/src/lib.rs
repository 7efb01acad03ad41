//! The contract between the search side, which writes bundles, and the runtime, which runs them.
//!
//! A *bundle* is a folder that holds an exported multimodal network: ONNX graphs of its stages, the tokenizer, the
//! answer labels, recorded inputs and outputs, and a [`Manifest`] that describes them. This crate knows:
//!
//! - what an [`Architecture`] is, and how a network's parameters are called ([`param_names`]);
//! - what a bundle holds;
//! - how text becomes ids ([`TextEncoder`]), and boxes become relations and box features ([`boxes`]);
//! - what samples of data sets are and how they count ([`samples`], [`answers`], [`recall`]).
//!
//! It knows no engine: neither ONNX Runtime nor libtorch. Names follow Yu et al., "Deep Multimodal Neural Architecture
//! Search" (ACM MM 2020), and its published code.

pub mod boxes;
pub mod latency;
pub mod manifest;
pub mod samples;

mod bundles;
mod error;
mod files;
mod metrics;
mod network;
mod regions;
mod text;

pub use bundles::bundle::{Bundle, BundleFiles};
pub use bundles::golden;
pub use bundles::vision_bundle::VisionBundle;
pub use error::{Error, Result, Writer};
pub use files::file_record::{FileRecord, sha256_hex, sha256_of_file};
pub use files::new_folder::NewFolder;
pub use files::text_file::{BYTE_ORDER_MARK, read_json_file, read_text_file, skip_byte_order_mark};
pub use files::writer_lock::WriterLock;
pub use files::{is_unfinished, remove_unfinished, write_atomically};
pub use manifest::Manifest;
pub use metrics::{answers, rank_correlation, recall};
pub use network::architecture::Architecture;
pub use network::operation::{Operation, OperationName, OperationNameError};
pub use network::operation_kind::{Heads, OperationKind};
pub use network::param_names;
pub use regions::feature_writer::FeatureWriter;
pub use regions::features::{FeatureIndex, FeatureShard, FeatureStore};
pub use regions::image_names::ImageNames;
pub use regions::published_regions::{PublishedPlace, published_regions};
pub use regions::region_features::RegionFeatures;
pub use regions::{image_names, npz};
pub use text::encoder::{CLS, PAD, TextCoverage, TextEncoder, UNK};
pub use text::vocabulary::Vocabulary;
