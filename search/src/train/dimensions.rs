//! Sizes of the networks that a recipe and its data ask for.

use mmnas_bundle::manifest::Dimensions;

use crate::recipe::Recipe;
use crate::task::Task;

/// Sizes of a network of hidden width `hidden` for `task`.
pub(crate) fn dimensions<T: Task>(recipe: &Recipe, task: &T, hidden: usize) -> Dimensions {
    let head = task.head_dimensions();
    Dimensions {
        feature: task.data().feature(),
        vocabulary: task.data().vocabulary().len(),
        outputs: head.outputs,
        embeddings: head.embeddings,
        ..recipe.widths(hidden)
    }
}
