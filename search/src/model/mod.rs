//! A network of blocks: the supernet, a derived architecture, and what it reads and gives.

pub mod ema;
pub mod head;
pub mod inputs;
pub mod network;
pub(crate) mod relation_biases;
pub mod stage_outputs;
#[cfg(test)]
mod tests;
