use super::{Clock, GateGradients, SharedScore, Strategy, choices_from, choices_tensor, one_hot};
use crate::{Path, Result, Space, TensorMap, rng};

/// Random search with weight sharing (Li and Talwalkar, 2019).
#[derive(Debug)]
pub(super) struct Random {
    candidates: usize,
    samples: usize,
    space: Space,
    seed: u64,
    best: Vec<usize>,
}

impl Random {
    pub(super) fn new(candidates: usize, samples: usize, space: &Space, seed: u64) -> Random {
        let best = space.draw(&mut rng(seed, "candidate", 0));
        Random { candidates, samples, space: space.clone(), seed, best }
    }
}

impl Strategy for Random {
    fn name(&self) -> String {
        "random".to_owned()
    }

    fn path(&self, clock: Clock, purpose: &str) -> Path {
        Path::single(&self.space.draw(&mut rng(self.seed, purpose, clock.step)))
    }

    fn architecture_step(&mut self, _clock: Clock, _gradients: &mut GateGradients<'_>) -> Result<()> {
        Ok(())
    }

    fn learns_alpha(&self) -> bool {
        false
    }

    fn conclude(&mut self, score: &mut SharedScore<'_>) -> Result<()> {
        let mut highest = f64::NEG_INFINITY;
        for candidate in 0..self.candidates {
            let choices = self.space.draw(&mut rng(self.seed, "candidate", candidate as u64));
            let score = score(&choices, self.samples)?;
            if score > highest {
                (highest, self.best) = (score, choices);
            }
        }
        Ok(())
    }

    fn best(&self) -> Vec<usize> {
        self.best.clone()
    }

    fn probabilities(&self) -> Vec<Vec<f64>> {
        one_hot(&self.space, &self.best)
    }

    fn save(&self, into: &mut TensorMap) {
        into.insert("strategy.best".to_owned(), choices_tensor(&self.best));
    }

    fn load(&mut self, from: &TensorMap) -> std::result::Result<(), String> {
        self.best = choices_from(&self.space, "strategy.best", from)?;
        Ok(())
    }
}
