//! Structured forms of captions, and whether they are true.

use crate::scenes::attributes::Kind;
use crate::scenes::scene::{Object, SIDE, Scene};
use crate::scenes::text::reference::{Order, Relation};

/// A quarter of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quarter {
    /// The upper or the lower half.
    pub upper: bool,
    /// The left or the right half.
    pub left: bool,
}

impl Quarter {
    /// Whether the middle of the object's box lies in the quarter.
    pub fn holds(&self, object: &Object) -> bool {
        let (x, y) = object.center();
        (x < SIDE / 2.0) == self.left && (y < SIDE / 2.0) == self.upper
    }
}

/// What a caption says. A picture is as the statement says if there are different objects for its `things`, so linked and in
/// such quarters, and if counts and extremes are as it says. "A star" means at least one, a number means exactly so many.
///
/// The things must be different objects: "a red star and a striped star" is not said of one star that is both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Different objects, each of its kind.
    pub things: Vec<Kind>,
    /// The first thing is so placed to the second; indices into `things`.
    pub links: Vec<(usize, Relation, usize)>,
    /// Where a thing is; index into `things`.
    pub quarters: Vec<(usize, Quarter)>,
    /// There are exactly so many objects of the kind.
    pub counts: Vec<(Kind, usize)>,
    /// The first of all objects in the order is one object, and of the kind.
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

    /// Whether the things that `taken` holds no object for yet can be found, given those that it does.
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
