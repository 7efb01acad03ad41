//! No search: one architecture.

use crate::nn::tensors::TensorMap;
use crate::space::arch_path::ArchPath;
use crate::space::search_space::Space;
use crate::strategy::decision::{Schedule, Strategy, one_hot};

/// One architecture, the only one of its space.
#[derive(Debug)]
pub(crate) struct Fixed {
    space: Space,
}

impl Fixed {
    pub(crate) fn new(space: &Space) -> Fixed {
        Fixed { space: space.clone() }
    }
}

impl Strategy for Fixed {
    fn name(&self) -> String {
        "fixed".to_owned()
    }

    fn path(&self, _schedule: Schedule, _purpose: &str) -> ArchPath {
        ArchPath::single(&self.best())
    }

    fn best(&self) -> Vec<usize> {
        vec![0; self.space.len()]
    }

    fn probabilities(&self) -> Vec<Vec<f64>> {
        one_hot(&self.space, &self.best())
    }

    fn save(&self, _into: &mut TensorMap) {}

    fn load(&mut self, _from: &TensorMap) -> std::result::Result<(), String> {
        Ok(())
    }
}
