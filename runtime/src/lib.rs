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

pub use mmnas_bundle as bundle;

mod answer;
mod batch;
mod decode;
mod detector;
mod difference;
mod draw;
mod error;
mod evaluate;
mod explain;
mod explain_picture;
mod extract;
mod golden;
mod grounding;
mod image_content;
mod image_files;
mod image_folder;
mod image_regions;
mod index;
mod lettering;
mod limits;
mod matching;
mod model;
mod on_threads;
mod onnxruntime;
mod options;
mod passed_over;
mod pixels;
mod provider;
mod ranking_picture;
mod region_check;
#[cfg(feature = "async")]
mod serving;
mod session;
mod spec_check;
mod stage;
mod state;
mod tensor;
mod timing;
mod unfinished_shard;
mod verify;
mod vision;
mod vision_shared;
mod vision_stage;
mod wiring;

pub use answer::Answer;
pub use decode::DecodedImage;
pub use draw::draw_boxes;
pub use error::{Error, ErrorCode, Result};
pub use evaluate::{
    BothWays, Evaluated, Evaluation, GroundingEvaluation, ImageSource, Images, OfficialAccuracy, Prediction, Recall,
    RetrievalEvaluation, RetrievalStage, WordNet, Wups, evaluate, evaluate_grounding, evaluate_retrieval, predict,
};
pub use explain::{Explanation, RegionWeight, WordWeight};
pub use explain_picture::draw_explanation;
pub use extract::{ExtractProgress, ExtractReport, ExtractSettings, FeatureLayout, LeftOut, extract, extract_until};
pub use grounding::Grounding;
pub use image_files::{ImageFiles, image_files};
pub use image_folder::ImageFolder;
pub use image_regions::ImageRegions;
pub use index::{Access, Candidates, EmbeddingFormat, Hit, ImageIndex, IndexKind, TextIndex};
pub use limits::{CancelToken, Limits};
pub use matching::{Match, Ranked};
pub use model::Model;
pub use onnxruntime::{ONNX_RUNTIME_TARGET, onnxruntime};
pub use options::LoadOptions;
pub use passed_over::PassedOver;
pub use pixels::{PixelBuffer, PixelFormat};
pub use provider::{Provider, ProviderError};
pub use ranking_picture::draw_ranking;
#[cfg(feature = "async")]
pub use serving::{AsyncModel, BatchCounts, BatchSettings, Batcher};
pub use state::{ImageState, TextState};
pub use verify::{StageCheck, Timed, VerifyReport, verify};
pub use vision_stage::VisionStage;
