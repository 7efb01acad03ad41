//! The front of a finished search: accuracy with shared weights against what networks take.

pub mod evolve;
pub mod known_scores;
pub mod merge;
pub mod nsga2;
pub mod plan;
