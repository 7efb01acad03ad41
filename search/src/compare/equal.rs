//! Networks of an equal number of parameters.
//!
//! A contender's width is set so that it has as many as the others.

use mmnas_bundle::Architecture;

use crate::error::Result;
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::task::Task;
use crate::train::retrain;

/// The recipe whose retraining of `architecture` has nearly `parameters` trained parameters.
///
/// The number of heads stays; their width changes, and H with it, to come nearest.
pub(crate) fn of_equal_size<T: Task>(
    recipe: &Recipe,
    pool: &Pool,
    task: &T,
    architecture: &Architecture,
    parameters: u64,
) -> Result<Recipe> {
    let heads = recipe.retrain.hidden / recipe.model.head.max(1);
    let sized = |head: usize| {
        let mut recipe = recipe.clone();
        recipe.model.head = head;
        recipe.retrain.hidden = heads * head;
        // A stored recipe must be one: its search is as wide.
        recipe.search.weights.hidden = heads * head;
        recipe
    };
    let difference = |head: usize| -> Result<u64> {
        Ok(retrain::parameters(&sized(head), pool, task, architecture)?.abs_diff(parameters))
    };
    let (mut best, mut least) = (recipe.model.head, difference(recipe.model.head)?);
    for step in [1i64, -1] {
        // The number grows with the width, so the first width that is no better ends the way.
        while let Some(next) = best.checked_add_signed(step as isize).filter(|next| (1..=1024).contains(next)) {
            let found = difference(next)?;
            if found >= least {
                break;
            }
            (best, least) = (next, found);
        }
    }
    Ok(sized(best))
}
