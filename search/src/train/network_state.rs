//! Weights and Adam's moments of a network in a checkpoint.

use std::path::Path;

use crate::error::Result;
use crate::model::network::Network;
use crate::nn::adam::Adam;
use crate::nn::tensors::{TensorMap, copy_into};
use crate::train::trainer::misfit;

/// Adds weights and moments under the names that [`load_network`] reads.
pub(crate) fn save_network(network: &Network, adam: &Adam, into: &mut TensorMap) {
    into.extend(network.parameters().iter().map(|(name, p)| (format!("network.{name}"), p.shallow_clone())));
    adam.save("net_optim", into);
}

/// Reads the weights into `network` and gives the moments.
pub(crate) fn load_network(network: &Network, from: &TensorMap, file: &Path) -> Result<Adam> {
    copy_into(network.parameters(), from, "network.", file)?;
    Adam::load("net_optim", network.parameters(), from).map_err(|name| misfit(file, name))
}
