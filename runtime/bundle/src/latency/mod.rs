//! What a network costs on a device: probes that are measured there, and the sum that predicts from them.

pub mod costs;
pub mod probes;
pub mod table;
