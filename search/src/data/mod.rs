//! Data sets: reading, splitting into parts, and batches of tensors.

pub mod easy_vqa;
pub mod scenes;

mod image_text;
mod itm_data;
mod negatives;
mod split;
mod vgd_data;
mod vqa_data;

pub use image_text::ImageTextData;
pub use itm_data::ItmData;
pub use negatives::Negatives;
pub use split::{Parts, SplitShares};
pub use vgd_data::VgdData;
pub use vqa_data::{TextRules, VqaData};
