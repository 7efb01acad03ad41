//! The parts of a network as nodes of a graph.

pub(crate) mod blocks;
pub(crate) mod features;
pub(crate) mod head;
pub(crate) mod layers;
pub(crate) mod linear_embedding;
pub(crate) mod mask;
pub(crate) mod parameters;
