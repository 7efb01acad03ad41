//! Data sets: samples, features, splits, batches.

pub mod answers;
pub mod batch;
pub mod convert;
pub mod cut_files;
pub mod data_files;
pub mod dataset;
pub mod feature_folders;
pub mod labels;
pub mod learnable;
pub(crate) mod provenance;
pub mod samples;
pub mod split;
#[cfg(test)]
pub(crate) mod test_data;
pub mod word_vectors;
