//! A path through a supernet: what runs in each block.

use tch::Tensor;

/// Operations of one block that run in one forward pass.
#[derive(Debug)]
pub enum Choice {
    /// Only this operation runs.
    One(usize),
    /// Gated sum `y = Σ g_j · op_j(x)` over the active and the inactive operations.
    ///
    /// The active operation has gate 1. The inactive ones have gate 0, and their outputs are
    /// detached. So `y` is the active operation's output, and the gates receive gradients.
    Gated {
        /// The operation that is on.
        active: usize,
        /// Operations that run only for the gradient of their gates.
        inactive: Vec<usize>,
        /// One number an operation of the block, `[operations]`, with gradient.
        gates: Tensor,
    },
    /// Mixture `y = Σ w_j · op_j(x)` over all operations of the block.
    ///
    /// Each operation gets its gradient (DARTS, Gumbel-softmax).
    Mixed {
        /// One number an operation of the block, `[operations]`.
        weights: Tensor,
    },
}

impl Choice {
    /// Makes a gated choice, with new gates, among `operations` of a block.
    pub fn gated(active: usize, inactive: Vec<usize>, operations: usize, device: tch::Device) -> Choice {
        let values: Vec<f32> = (0..operations).map(|j| if j == active { 1.0 } else { 0.0 }).collect();
        let gates = Tensor::from_slice(&values).to_device(device).set_requires_grad(true);
        Choice::Gated { active, inactive, gates }
    }

    /// Makes a mixture with the given weights.
    ///
    /// The weights get a gradient if `with_gradient` is set.
    pub fn mixed(weights: &[f64], with_gradient: bool, device: tch::Device) -> Choice {
        let weights: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        Choice::Mixed { weights: Tensor::from_slice(&weights).to_device(device).set_requires_grad(with_gradient) }
    }

    /// Whether operation `index` takes part in the block's output.
    ///
    /// Its weights then get a gradient.
    pub fn is_active(&self, index: usize) -> bool {
        match self {
            Choice::One(active) | Choice::Gated { active, .. } => *active == index,
            Choice::Mixed { .. } => true,
        }
    }

    /// Whether operation `index` runs.
    pub fn runs(&self, index: usize) -> bool {
        match self {
            Choice::Gated { inactive, .. } => self.is_active(index) || inactive.contains(&index),
            Choice::One(_) | Choice::Mixed { .. } => self.is_active(index),
        }
    }
}

/// A path: one choice a block, the encoder's first.
#[derive(Debug)]
pub struct ArchPath(pub Vec<Choice>);

impl ArchPath {
    /// The path through the operations `active`.
    pub fn single(active: &[usize]) -> ArchPath {
        ArchPath(active.iter().map(|&k| Choice::One(k)).collect())
    }

    /// The gates or weights of all blocks that have them, in order.
    pub fn gates(&self) -> Vec<&Tensor> {
        fn gates(choice: &Choice) -> Option<&Tensor> {
            match choice {
                Choice::Gated { gates, .. } => Some(gates),
                Choice::Mixed { weights } => Some(weights),
                Choice::One(_) => None,
            }
        }
        self.0.iter().filter_map(gates).collect()
    }
}
