//! The loop of a run: weight steps, architecture steps, epochs.

pub mod bounds;
pub(crate) mod candidates;
pub(crate) mod dimensions;
pub mod finals;
pub mod learnable_check;
pub(crate) mod network_state;
pub mod parameter_costs;
pub mod retrain;
pub mod search;
pub mod shared_scorer;
pub mod step_position;
pub mod trainer;
pub mod weight_step;
