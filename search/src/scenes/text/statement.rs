//! Structured forms of captions, and whether they are true.

use crate::scenes::attributes::Kind;
use crate::scenes::scene::{Object, SIDE, Scene};
use crate::scenes::text::reference::{Order, Relation};

/// A quarter of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quarter {
    /// Whether it is in the upper half, else the lower.
    pub upper: bool,
    /// Whether it is in the left half, else the right.
    pub left: bool,
}

impl Quarter {
    /// Whether the middle of the object's box lies in the quarter.
    pub fn holds(&self, object: &Object) -> bool {
        let (x, y) = object.center();
        (x < SIDE / 2.0) == self.left && (y < SIDE / 2.0) == self.upper
    }
}

/// The meaning of a caption.
///
/// It is true of a picture if there are different objects for its `things`, linked and in quarters
/// as it says. Its counts and extremes must hold too. "A star" means at least one, a number means
/// exactly that many.
///
/// The things must be different objects: "a red star and a striped star" is not said of one star
/// that is both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Different objects, each of its kind.
    pub things: Vec<Kind>,
    /// Links: the first thing is so placed to the second; indices into `things`.
    pub links: Vec<(usize, Relation, usize)>,
    /// Quarters of things; indices into `things`.
    pub quarters: Vec<(usize, Quarter)>,
    /// Exact numbers of objects of a kind.
    pub counts: Vec<(Kind, usize)>,
    /// Extremes: the first of all objects in the order is one, of the kind.
    pub extremes: Vec<(Order, Kind)>,
}

impl Statement {
    /// Whether the statement is true of the scene.
    pub fn holds(&self, scene: &Scene) -> bool {
        self.counts.iter().all(|(kind, count)| scene.of_kind(kind).len() == *count)
            && self.extremes.iter().all(|(order, kind)| {
                let all: Vec<usize> = (0..scene.objects.len()).collect();
                matches!(order.ranked(scene, &all, 1)[..], [k] if kind.matches(&scene.objects[k].look))
            })
            && self.assign(scene, &mut Vec::with_capacity(self.things.len()))
    }

    /// Whether the remaining things can be assigned objects, given those `taken` already.
    fn assign(&self, scene: &Scene, taken: &mut Vec<usize>) -> bool {
        let Some(kind) = self.things.get(taken.len()) else { return true };
        scene.of_kind(kind).into_iter().any(|object| {
            if taken.contains(&object) {
                return false;
            }
            taken.push(object);
            let found = self.fits(scene, taken) && self.assign(scene, taken);
            taken.pop();
            found
        })
    }

    /// Whether the last of the `taken` objects is linked and placed as the statement says.
    fn fits(&self, scene: &Scene, taken: &[usize]) -> bool {
        let last = taken.len() - 1;
        let object = |thing: usize| &scene.objects[taken[thing]];
        self.quarters.iter().all(|(thing, quarter)| *thing != last || quarter.holds(object(last)))
            && self.links.iter().all(|&(a, relation, b)| a.max(b) != last || relation.holds(object(a), object(b)))
    }
}
