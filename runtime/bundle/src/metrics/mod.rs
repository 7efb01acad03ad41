//! How answers and rankings count.

pub mod answers;
mod contractions;
pub mod rank_correlation;
pub mod recall;
