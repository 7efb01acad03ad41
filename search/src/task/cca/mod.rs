//! Closed forms that a network starts from: canonical correlation analysis.

pub mod correlation;
pub mod frequent_words;
pub mod itm_init;
pub mod linear_embedding;
pub mod region_covariances;
pub mod vgd_init;
