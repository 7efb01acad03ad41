//! `[search.strategy]`: what decides.

use serde::Deserialize;
use serde::Serialize;

use crate::recipe::wrong::Wrong;

/// A strategy and its constants, as a recipe names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StrategySettings {
    /// The paper's: sampled paths train the weights, gates the alphas (MMnas, section 3.3; ProxylessNAS).
    Gradient {
        /// How many operations of a block an architecture step runs.
        mode: SamplingMode,
    },
    /// DARTS, first order: every block is the mixture of its operations by softmax(alpha).
    Darts {},
    /// Gumbel-softmax (SNAS): as DARTS, with noise, and a temperature that falls over the run.
    Gumbel {
        /// Temperature at the first and at the last step; it falls geometrically.
        temperature: (f64, f64),
    },
    /// Random search with weight sharing: uniform paths train the weights, then random architectures are compared.
    Random {
        /// How many architectures are compared.
        candidates: usize,
        /// On how many samples of the alpha part, at most.
        samples: usize,
    },
    /// Regularised evolution over the trained supernet: uniform paths train the weights, then generations are bred.
    Evolution {
        /// Architectures of a generation.
        population: usize,
        /// Generations after the first, random one.
        generations: usize,
        /// Probability that a block of a child is drawn anew.
        mutation: f64,
        /// Compared on this many samples of the alpha part, at most.
        samples: usize,
    },
    /// No search: one architecture is the space's only member.
    Fixed {
        /// Name of a preset.
        architecture: String,
    },
}

impl StrategySettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        let counts = match self {
            StrategySettings::Random { candidates, samples } => vec![*candidates, *samples],
            StrategySettings::Evolution { population, generations, samples, .. } => {
                vec![*population, *generations, *samples]
            }
            _ => Vec::new(),
        };
        if counts.iter().any(|&n| n == 0 || n > 1 << 24) {
            return Err(("search.strategy", "counts from 1 to 16777216", format!("{self:?}")));
        }
        let in_range = match self {
            StrategySettings::Gumbel { temperature: (first, last) } => {
                [first, last].iter().all(|&&t| t > 0.0 && t < 1e6)
            }
            StrategySettings::Evolution { mutation, .. } => (0.0..=1.0).contains(mutation),
            _ => true,
        };
        if in_range {
            Ok(())
        } else {
            Err(("search.strategy", "temperatures above 0, mutation 0 to 1", format!("{self:?}")))
        }
    }
}

/// How an architecture step estimates the gradient of alpha (ProxylessNAS's two modes). A value that is passed, not a
/// state of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplingMode {
    /// All operations of a block run; the gate of the sampled one is 1, the others' 0.
    Full,
    /// Two operations are sampled, one of them active.
    Two,
}
