//! The layers and the optimiser that operations, heads and training share.

pub mod adam;
pub mod att_flat;
pub mod by_area;
pub mod dropout;
pub mod layers;
pub mod lstm;
pub mod parameters;
pub mod relation;
pub mod tensors;
