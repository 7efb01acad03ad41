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
    ) -> Result<Vec<usize>> {
        let (mut highest, mut best) = (f64::NEG_INFINITY, draw(space, bounds, &mut rng(seed, "candidate", 0)));
        for candidate in 0..self.candidates {
            let choices = draw(space, bounds, &mut rng(seed, "candidate", candidate as u64));
            let score = score(&choices)?;
            if score > highest {
                (highest, best) = (score, choices);
            }
        }
        Ok(best)
    }
}
