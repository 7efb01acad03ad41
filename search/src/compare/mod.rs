//! Strategies and baselines side by side: the same data, the same seeds, the same budget (`mmnas-search compare`).

pub mod contender;
pub mod equal;
pub mod outcome;
pub mod ranking;
pub mod record;
pub mod runs;
pub mod statistics;
pub mod supernet_ranking;
