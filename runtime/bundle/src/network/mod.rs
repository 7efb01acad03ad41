//! Blocks, operations and parameter names of a network.

pub(crate) mod architecture;
pub(crate) mod operation;
pub(crate) mod operation_kind;
pub mod param_names;
