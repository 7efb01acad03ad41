//! What a search chooses from, and what its choices cost.

pub mod arch_path;
pub mod cost;
pub mod from_recipe;
pub mod presets;
pub mod search_space;
