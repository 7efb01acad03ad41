//! Runs an exported multimodal network on ONNX Runtime.
//!
//! A [`Model`] is a bundle that is loaded: it turns an image into an [`ImageState`], a text into a [`TextState`], and
//! the two into [`Answer`]s (VQA), [`Grounding`]s (VGD) or a [`Match`] (ITM). The states are worth keeping: a second
//! question about a known image runs no vision and no image stage.
//!
//! ```no_run
//! use mmnas_runtime::{LoadOptions, Model};
//! # fn main() -> mmnas_runtime::Result<()> {
//! let model = Model::load("bundle".as_ref(), &LoadOptions::default())?;
//! let image = model.encode_image_file("image.png".as_ref())?;
//! for answer in model.answer(&image, "what colour is the circle?", 3)? {
//!     println!("{} {:.4}", answer.label, answer.probability);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ONNX Runtime 1.28 or newer is loaded when the first model is, from (in this order) [`LoadOptions::ort_library`], the
//! environment variable `MMNAS_ORT_DYLIB`, the folder of the program or shared library that holds this crate, and the
//! system's library folders. A process holds one ONNX Runtime.
//!
//! The rooms of this crate and its program, in order. A room imports only from rooms above it:
//!
//! - `error`
//! - `engine`
//! - `images`
//! - `vision`
//! - `model`
//! - `tasks`
//! - `draw`
//! - `verify`
//! - `profile`
//! - `index`
//! - `evaluate`
//! - `serving`
//! - `cli`

mod draw;
mod engine;
mod error;
mod evaluate;
mod images;
mod index;
mod model;
mod profile;
#[cfg(feature = "async")]
mod serving;
mod tasks;
mod verify;
mod vision;

pub use mmnas_bundle as bundle;

pub use draw::boxes::draw_boxes;
pub use draw::explain_picture::draw_explanation;
pub use draw::ranking_picture::draw_ranking;
pub use engine::limits::{CancelToken, Limits};
pub use engine::onnxruntime::{ONNX_RUNTIME_TARGET, onnxruntime};
pub use engine::options::LoadOptions;
pub use engine::provider::{Provider, ProviderError};
pub use engine::run_graph::run_graph;
pub use error::{Error, ErrorCode, Result};
pub use evaluate::Evaluated;
pub use evaluate::answers::{Evaluation, OfficialAccuracy, evaluate};
pub use evaluate::grounding::{GroundingEvaluation, evaluate_grounding};
pub use evaluate::images::{ImageSource, Images};
pub use evaluate::predict::{Prediction, predict};
pub use evaluate::retrieval::{BothWays, Recall, RetrievalEvaluation, RetrievalStage, evaluate_retrieval};
pub use evaluate::word_net::WordNet;
pub use evaluate::wups::Wups;
pub use images::decode::DecodedImage;
pub use images::image_files::{ImageFiles, image_files};
pub use images::image_folder::ImageFolder;
pub use images::passed_over::PassedOver;
pub use index::export::EmbeddingFormat;
pub use index::header::IndexKind;
pub use index::kind::{AnyKind, Kind};
pub use index::search::{Candidates, Hit};
pub use index::states::Access;
pub use index::{AnyIndex, ImageIndex, Index, TextIndex};
pub use model::Model;
pub use model::state::{ImageState, TextState};
pub use profile::settings::ProfileSettings;
pub use profile::{ProfileProgress, ProfileReport, profile, profile_until};
#[cfg(feature = "async")]
pub use serving::AsyncModel;
#[cfg(feature = "async")]
pub use serving::batcher::Batcher;
#[cfg(feature = "async")]
pub use serving::counts::BatchCounts;
#[cfg(feature = "async")]
pub use serving::settings::BatchSettings;
pub use tasks::answer::Answer;
pub use tasks::explain::{Explanation, RegionWeight, WordWeight};
pub use tasks::grounding::Grounding;
pub use tasks::matching::{Match, Ranked};
pub use verify::{StageCheck, Timed, VerifyReport, verify};
pub use vision::extract::{
    ExtractProgress, ExtractReport, ExtractSettings, FeatureLayout, LeftOut, extract, extract_until,
};
pub use vision::image_regions::ImageRegions;
pub use vision::pixels::{PixelBuffer, PixelFormat};
pub use vision::vision_stage::VisionStage;
