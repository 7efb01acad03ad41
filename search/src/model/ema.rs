//! Exponential moving average (EMA) of a network's weights.
//!
//! It is what is validated and kept if the recipe asks for it (Polyak averaging; as an exponential
//! mean: Tarvainen and Valpola, 2017).

use tch::Tensor;

use crate::error::Result;
use crate::model::network::Network;
use crate::nn::tensors::{TensorMap, copy_into};

/// Prefix of the mean's tensors in a checkpoint.
const PREFIX: &str = "average.";

/// A network whose weights are the mean of another's.
#[derive(Debug)]
pub(crate) struct Ema {
    network: Network,
    share: f64,
}

impl Ema {
    /// Begins with the weights of `network`, which is built as the trained one is.
    pub(crate) fn new(network: Network, share: f64) -> Ema {
        Ema { network, share }
    }

    /// The network to validate.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Takes in the weights of `trained` after `steps` steps.
    ///
    /// The first steps count more, so that the random weights of the start are soon forgotten.
    pub(crate) fn take(&self, trained: &Network, steps: u64) {
        let _guard = tch::no_grad_guard();
        let share = self.share.min((1.0 + steps as f64) / (10.0 + steps as f64));
        for (mean, weight) in self.network.parameters().values().zip(trained.parameters().values()) {
            let mut mean: Tensor = mean.detach();
            let _ = mean.lerp_(&weight.detach(), 1.0 - share);
        }
    }

    pub(crate) fn save(&self, into: &mut TensorMap) {
        let tensors = self.network.parameters().iter();
        into.extend(tensors.map(|(name, p)| (format!("{PREFIX}{name}"), p.detach().copy())));
    }

    pub(crate) fn load(&self, from: &TensorMap, file: &std::path::Path) -> Result<()> {
        copy_into(self.network.parameters(), from, PREFIX, file)
    }
}
