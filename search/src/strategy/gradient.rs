//! The paper's strategy: sampled paths and gates.

use tch::Tensor;

use crate::error::Result;
use crate::recipe::strategy::SamplingMode;
use crate::space::arch_path::ArchPath;
use crate::strategy::alpha::Alpha;
use crate::strategy::decision::{GateGradients, Schedule};
use crate::strategy::differentiable::Estimator;

/// The paper's strategy: sampled paths and gates.
///
/// Weight steps run on paths sampled from softmax(alpha), architecture steps through gates.
#[derive(Debug)]
pub(crate) struct Gradient {
    pub mode: SamplingMode,
    /// Weight steps between architecture steps.
    pub every: u64,
    pub seed: u64,
    pub device: tch::Device,
}

impl Estimator for Gradient {
    fn name(&self) -> String {
        format!("gradient {}", if self.mode == SamplingMode::Full { "full" } else { "two" })
    }

    fn path(&self, alpha: &Alpha, schedule: Schedule, purpose: &str) -> ArchPath {
        ArchPath::single(&alpha.sample(self.seed, purpose, schedule.step))
    }

    fn gradients(
        &self,
        alpha: &Alpha,
        schedule: Schedule,
        of_gates: &mut GateGradients<'_>,
    ) -> Result<(ArchPath, Vec<Tensor>)> {
        let path = alpha.sample_gated(self.mode, self.seed, "alpha path", schedule.step / self.every, self.device);
        let gradients = alpha.gradients(&path, &of_gates(&path)?);
        Ok((path, gradients))
    }

    fn mode(&self) -> SamplingMode {
        self.mode
    }
}
