//! Random search with weight sharing.

use crate::error::Result;
use crate::seed::rng;
use crate::space::search_space::Space;
use crate::strategy::decision::{Bounds, draw};
use crate::strategy::single_path_one_shot::Chooser;

/// Random search with weight sharing (Li and Talwalkar, 2019).
#[derive(Debug)]
pub(crate) struct Random {
    /// Number of architectures that are compared.
    pub candidates: usize,
}

impl Chooser for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn choose(
        &self,
        space: &Space,
        bounds: Option<&Bounds>,
        seed: u64,
        score: &mut dyn FnMut(&[usize]) -> Result<f64>,
    ) -> Result<Vec<Vec<usize>>> {
        let mut compared: Vec<(f64, Vec<usize>)> = Vec::new();
        for candidate in 0..self.candidates.max(1) {
            let choices = draw(space, bounds, &mut rng(seed, "candidate", candidate as u64));
            // The same architecture always scores the same.
            if !compared.iter().any(|(_, known)| *known == choices) {
                compared.push((score(&choices)?, choices));
            }
        }
        // Of equal scores the first that was drawn comes first.
        compared.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(compared.into_iter().map(|(_, choices)| choices).collect())
    }
}
