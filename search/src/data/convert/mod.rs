//! Published formats into samples and packed features.

pub mod conversion;
pub mod easy_vqa;
pub mod pack;
pub mod refcoco;
pub mod region_table;
pub mod retrieval;
pub mod vqa_v2;
