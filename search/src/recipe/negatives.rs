//! `[….negatives]`: how negatives of image-text matching are found.

use serde::Deserialize;
use serde::Serialize;

/// Where negatives of image-text matching come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativeSettings {
    /// Random candidates that are scored for each image and each caption.
    ///
    /// Published: 64; 32 while searching.
    pub pool: usize,
    /// Hardest candidates that are kept; each sample draws one (published: 5).
    pub keep: usize,
    /// First epoch with negatives.
    ///
    /// Before it only the dual encoder is trained, on true pairs alone, which is several times as
    /// fast. So it has seen enough when hard negatives are mined by it. A network without one has
    /// negatives from the start.
    #[serde(default)]
    pub from_epoch: usize,
    /// First epoch whose negatives are mined; random until then.
    ///
    /// Published: 0; 10 while searching.
    pub mine_from_epoch: usize,
    /// Measure of a candidate's hardness: `score` (default) or `embedding`.
    #[serde(default)]
    pub by: HardBy,
}

/// What hard negatives are mined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HardBy {
    /// The network's score of the pair (published): a pass for every candidate.
    #[default]
    Score,
    /// The cosine of the dual encoder: a pass for every caption.
    ///
    /// So the pool may be large. A network without one mines by its scores, from a pool of
    /// [`HardBy::POOL_OF_SCORES`] at most.
    Embedding,
}

impl HardBy {
    /// Largest pool of a network without a dual encoder; see [`HardBy::Embedding`].
    pub const POOL_OF_SCORES: usize = 16;
}

impl Default for NegativeSettings {
    fn default() -> Self {
        NegativeSettings { pool: 64, keep: 5, from_epoch: 0, mine_from_epoch: 0, by: HardBy::Score }
    }
}
