//! What a network costs on a device: probes that are measured there, and the sum that predicts from them.

mod chains;
pub mod checks;
pub mod costs;
#[cfg(test)]
mod fixture;
pub mod probes;
pub mod quantity;
pub mod table;
