//! The search space, its architectures and what they may take on a device.

pub mod arch_path;
pub mod from_recipe;
pub mod front;
#[cfg(test)]
pub(crate) mod front_tests;
pub mod knapsack;
#[cfg(test)]
mod knapsack_tests;
pub mod limits;
pub mod presets;
pub(crate) mod ranked;
#[cfg(test)]
mod ranked_tests;
pub mod search_space;
