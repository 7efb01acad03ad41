//! Which operations of a path read the relations of the regions, and the biases that they get.

use tch::Tensor;

use crate::model::network::{Network, RelationBiases};
use crate::nn::relation::{self, Projection};
use crate::space::arch_path::{ArchPath, Choice};

impl Network {
    /// The layer of an operation that reads relations.
    ///
    /// None in the encoder: there are no relations to read.
    fn relation_projection(&self, (block, index): (usize, usize)) -> Option<Projection<'_>> {
        if block < self.space.encoder.len() { None } else { self.blocks[block][index].relation_projection() }
    }

    /// The operations, block and index, that `counts` accepts and that read relations.
    ///
    /// Each comes with its layer.
    fn readers(
        &self,
        path: &ArchPath,
        counts: impl Fn(&Choice, usize) -> bool,
    ) -> Vec<((usize, usize), Projection<'_>)> {
        let all = path.0.iter().enumerate().flat_map(|(block, choice)| {
            (0..self.blocks[block].len()).filter(|&index| counts(choice, index)).map(move |index| (block, index))
        });
        all.filter_map(|operation| Some((operation, self.relation_projection(operation)?))).collect()
    }

    /// Whether an active operation of the path reads relations.
    pub(super) fn uses_relations(&self, path: &ArchPath) -> bool {
        !self.readers(path, Choice::is_active).is_empty()
    }

    /// The biases of all operations that run and read relations.
    ///
    /// Those of the active ones have a graph.
    pub(super) fn relation_biases(&self, path: &ArchPath, boxes: &Tensor, padding: Option<&Tensor>) -> RelationBiases {
        let rests = |choice: &Choice, index: usize| choice.runs(index) && !choice.is_active(index);
        let (trained, of_trained): (Vec<_>, Vec<_>) = self.readers(path, Choice::is_active).into_iter().unzip();
        let (fixed, of_fixed): (Vec<_>, Vec<_>) = self.readers(path, rests).into_iter().unzip();
        let shared = self.relation.projection();
        let Some(shared) = shared.filter(|_| !trained.is_empty() || !fixed.is_empty()) else {
            return RelationBiases::new();
        };
        let (with_graph, without) = relation::biases_of(boxes, padding, shared, (&of_trained, &of_fixed));
        trained.into_iter().zip(with_graph).chain(fixed.into_iter().zip(without)).collect()
    }
}
