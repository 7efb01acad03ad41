//! The search space, its architectures and the cost of its operations.

pub mod arch_path;
pub mod cost;
pub mod from_recipe;
pub mod front;
#[cfg(test)]
pub(crate) mod front_tests;
pub mod limited_part;
pub mod presets;
pub mod search_space;
pub mod under_limit;
