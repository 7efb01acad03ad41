//! How answers and rankings count.

pub mod answers;
mod contractions;
pub mod recall;
