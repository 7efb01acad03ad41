//! `[search.strategy]`: the search strategy.

use serde::Deserialize;
use serde::Serialize;

use crate::recipe::wrong::Wrong;

/// A search strategy and its constants, as a recipe names them.
///
/// The key `kind` names it: `gradient`, `darts`, `gumbel`, `random`, `evolution` or `fixed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StrategySettings {
    /// The paper's strategy: sampled paths train the weights, gates the alphas.
    ///
    /// The key `mode` says how many operations of a block an architecture step runs. It is `full`
    /// (all of them) or `two` (two that are sampled, one of them active). Source: MMnas, section
    /// 3.3; ProxylessNAS.
    Gradient {
        /// Operations of a block that an architecture step runs: `full` or `two`.
        mode: SamplingMode,
    },
    /// DARTS, first order: every block mixes its operations by softmax(alpha).
    Darts {},
    /// Gumbel-softmax (SNAS): as DARTS, with noise and a falling temperature.
    ///
    /// The key `temperature` has its values at the first and at the last step, above 0 and below
    /// 1000000. In between it falls geometrically.
    Gumbel {
        /// Temperature at the first and at the last step; it falls geometrically.
        temperature: (f64, f64),
    },
    /// Random search with weight sharing.
    ///
    /// Paths that `sampling` draws train the weights. Then `candidates` random architectures are
    /// compared, on at most `samples` samples of the alpha part. Both are 1 to 16777216.
    Random {
        /// Architectures that are compared, 1 to 16777216.
        candidates: usize,
        /// Samples of the alpha part that they are compared on, at most.
        samples: usize,
        /// How the paths are drawn that train the weights.
        #[serde(default)]
        sampling: PathSampling,
    },
    /// Regularised evolution over the trained supernet.
    ///
    /// Paths that `sampling` draws train the weights. Then generations of `population` architectures are bred: a
    /// random one, and `generations` after it. `mutation`, 0 to 1, is the probability that a block
    /// of a child is drawn anew. Architectures are compared on at most `samples` samples of the
    /// alpha part. The three counts are 1 to 16777216.
    Evolution {
        /// Architectures of a generation.
        population: usize,
        /// Generations after the first, random one.
        generations: usize,
        /// Probability that a block of a child is drawn anew, 0 to 1.
        mutation: f64,
        /// Samples of the alpha part that architectures are compared on, at most.
        samples: usize,
        /// How the paths are drawn that train the weights.
        #[serde(default)]
        sampling: PathSampling,
    },
    /// No search: one architecture is the space's only member.
    ///
    /// The key `architecture` is the name of a preset.
    Fixed {
        /// Name of a preset.
        architecture: String,
    },
}

impl StrategySettings {
    /// How the paths are drawn that train the weights, where the strategy is told.
    pub(crate) fn sampling(&self) -> Option<PathSampling> {
        match self {
            StrategySettings::Random { sampling, .. } | StrategySettings::Evolution { sampling, .. } => Some(*sampling),
            _ => None,
        }
    }

    /// Whether it learns alpha.
    pub(crate) fn has_alpha(&self) -> bool {
        match self {
            StrategySettings::Gradient { .. } | StrategySettings::Darts {} | StrategySettings::Gumbel { .. } => true,
            StrategySettings::Random { .. } | StrategySettings::Evolution { .. } | StrategySettings::Fixed { .. } => {
                false
            }
        }
    }

    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        let counts = match self {
            StrategySettings::Random { candidates, samples, .. } => vec![*candidates, *samples],
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

/// How the paths are drawn that train the weights of a one-shot search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathSampling {
    /// Each uniformly from the whole space.
    #[default]
    Uniform,
    /// Each uniformly from the architectures within `search.limits`.
    Within,
    /// In turns: every operation of a block is trained equally often (FairNAS, 2021).
    ///
    /// With `search.weights.accumulate` as large as the number of operations, all of them are
    /// trained in every step, each on its part of the batch.
    Fair,
}

/// How an architecture step estimates the gradient of alpha.
///
/// These are ProxylessNAS's two modes. A value is passed; no state of the process holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplingMode {
    /// Estimator of alpha's gradient in an architecture step.
    ///
    /// These are ProxylessNAS's two modes. A value is passed; no state of the process holds it.
    Full,
    /// Two operations are sampled, one of them active.
    Two,
}
