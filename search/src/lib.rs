//! MMnas: gradient-based multimodal neural architecture search, on libtorch.
//!
//! It is the method of Yu et al. (ACM MM 2020) in Rust.
//!
//! A [`Space`] lists the operations that each block may be. A [`Network`] holds all of them, or one
//! per block. The first is the *supernet*, searched by [`train::search::search`]. The second is a
//! *derived network*, trained by [`train::retrain::retrain`]. Both are the same code on spaces of
//! different width. A network's output is a [`model::head::HeadOutput`]: scores, and embeddings
//! where the head has them.
//!
//! What a network is for is a [`task::Task`]: how samples become tensors, head, loss, metric.
//! [`task::Task::load`] reads its data with every setting of the recipe that concerns it.
//!
//! A [`recipe::Recipe`] holds every constant of a run, as TOML. Its module has one file per table,
//! such as [`recipe::model`] for `[model]`.
//!
//! Parameter names are the published code's, so that weights move between the two.

pub mod bundle;
pub mod compare;
pub mod data;
pub mod device;
pub mod error;
pub mod model;
pub mod nn;
pub mod operations;
pub mod pareto;
pub mod precision;
pub mod progress;
pub mod recipe;
pub mod report;
pub mod run;
pub mod scenes;
pub mod seed;
pub mod space;
pub mod strategy;
pub mod task;
#[cfg(test)]
mod toy;
pub mod train;

pub use error::{Error, Result};
pub use model::inputs::Inputs;
pub use model::network::{FeatureNorm, Naming, Network};
pub use model::stage_outputs::StageOutputs;
pub use nn::adam::Adam;
pub use nn::parameters::Parameters;
pub use nn::tensors::{Checkpoint, TensorMap, load_tensors, save_tensors};
pub use operations::pool::Pool;
pub use precision::MatmulPrecision;
pub use recipe::adam::AdamSettings;
pub use recipe::strategy::SamplingMode;
pub use run::epoch_log::EpochRecord;
pub use run::folder::{NetworkRecord, RunFolder, RunInputs};
pub use run::warm_start::InitialWeights;
pub use seed::{rng, seed};
pub use space::arch_path::{ArchPath, Choice};
pub use space::search_space::{Space, SpaceNames};
pub use strategy::alpha::{Alpha, AlphaStart};
pub use strategy::diagnostics::SearchDiagnostics;
pub use train::step_position::StepPosition;
pub use train::weight_step::{MicroBatch, StepSettings, weight_step};
