//! Data sets: reading, splitting into parts, and batches of tensors.

pub mod easy_vqa;

mod image_text;
mod split;
mod vqa_data;

pub use image_text::ImageTextData;
pub use split::{Parts, SplitShares};
pub use vqa_data::{TextRules, VqaData};
