//! Gradient-based multimodal neural architecture search: MMnas (Yu et al., ACM MM 2020) in Rust on libtorch.
//!
//! A [`Space`] lists the operations that each block may be. A [`Network`] holds all of them (the *supernet*, searched by
//! [`search::search`]) or one a block (a *derived network*, trained by [`retrain::retrain`]); both are the same code on
//! spaces of different width. What a network is for is a [`task::Task`]: how samples become tensors, head, loss, metric.
//!
//! Parameter names are the published code's, so that weights move between the two.

pub mod architectures;
pub mod compare;
pub mod cost;
pub mod data;
pub mod device;
pub mod events;
pub mod export;
pub mod import;
pub mod learnable;
pub mod operations;
pub mod progress;
pub mod recipe;
pub mod recorded;
pub mod relation;
pub mod report;
pub mod retrain;
pub mod search;
pub mod strategy;
pub mod task;
pub mod vision;

mod adam;
mod alpha;
mod att_flat;
mod average;
mod checkpoint;
mod collapse;
mod correlation;
mod dropout;
mod error;
mod initial;
mod layers;
mod network;
mod path;
mod precision;
mod run;
mod seed;
mod space;
#[cfg(test)]
mod toy;
mod trainer;
mod weight_step;

pub use adam::{Adam, AdamSettings};
pub use alpha::{Alpha, AlphaStart};
pub use checkpoint::{Checkpoint, TensorMap, load_tensors, save_tensors};
pub use collapse::Collapse;
pub use error::{Error, Result};
pub use initial::InitialWeights;
pub use network::{FeatureNorm, Inputs, Naming, Network, Parameters, StageOutputs};
pub use operations::Pool;
pub use path::{Choice, Path, SamplingMode};
pub use precision::Precision;
pub use run::{NetworkRecord, RunFolder, RunInputs};
pub use seed::{rng, seed};
pub use space::{Space, SpaceNames};
pub use trainer::{EpochRecord, Moment};
pub use weight_step::{Part, StepSettings, weight_step};
