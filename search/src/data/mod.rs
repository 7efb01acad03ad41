//! Data sets: conversion from published formats, reading, splitting into parts, and batches of tensors.

pub mod answers;
pub mod easy_vqa;
pub mod pack;
pub mod refcoco;
pub mod retrieval;
pub mod scenes;
pub mod vqa_v2;
pub mod word_vectors;

mod batches;
mod conversion;
mod cut_files;
mod data_files;
mod feature_folders;
mod frequent_words;
mod hiding;
mod image_text;
mod itm_data;
mod joint_space;
pub(crate) mod labels;
mod learnable;
mod linear_start;
mod negatives;
mod region_moments;
mod region_start;
mod region_table;
mod samples_with_features;
mod split;
#[cfg(test)]
mod test_data;
mod vgd_data;
mod vqa_data;

pub use conversion::{Converted, Progress};
pub use cut_files::cut_files;
pub use data_files::DataFiles;
pub use hiding::Hiding;
pub use image_text::{ImageTextData, Loaded};
pub use itm_data::ItmData;
pub use learnable::{RunParts, SeenImage};
pub use mmnas_bundle::samples::{Flaw, Sample};
pub use negatives::Negatives;
pub use split::{Parts, SplitShares};
pub use vgd_data::VgdData;
pub use vqa_data::{Shortlist, TextRules, VqaData};
