//! Comparison of strategies and baselines (`mmnas-search compare`).
//!
//! All have the same data, the same seeds and the same budget.

pub mod contender;
pub mod equal;
pub mod equal_time;
pub mod outcome;
pub mod ranking;
pub mod record;
pub mod runs;
pub mod statistics;
pub mod supernet_ranking;
