//! References to objects: relations, and structured forms of phrases for one object.

use crate::scenes::attributes::{Attribute, Kind};
use crate::scenes::scene::{Object, SIDE, Scene};

/// Place of an object seen from another one, by the middles of their boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Further to the left.
    LeftOf,
    /// Further to the right.
    RightOf,
    /// Higher.
    Above,
    /// Lower.
    Below,
}

impl Relation {
    /// All relations.
    pub const ALL: [Relation; 4] = [Relation::LeftOf, Relation::RightOf, Relation::Above, Relation::Below];

    /// Whether `a` is so placed to `b`.
    ///
    /// In a scene this is never close: see [`crate::scenes::scene::MARGIN`].
    pub fn holds(self, a: &Object, b: &Object) -> bool {
        let ((ax, ay), (bx, by)) = (a.center(), b.center());
        match self {
            Relation::LeftOf => ax < bx,
            Relation::RightOf => ax > bx,
            Relation::Above => ay < by,
            Relation::Below => ay > by,
        }
    }
}

/// The condition to be so placed to the one object of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The relation to that object.
    pub relation: Relation,
    /// The kind of that object.
    pub anchor: Kind,
}

/// An order of objects, by place or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The first is the leftmost.
    FromLeft,
    /// The first is the rightmost.
    FromRight,
    /// The first is the highest.
    FromTop,
    /// The first is the lowest.
    FromBottom,
    /// The first is the largest.
    FromLargest,
    /// The first is the smallest.
    FromSmallest,
}

impl Order {
    /// The orders by place.
    pub const PLACES: [Order; 4] = [Order::FromLeft, Order::FromRight, Order::FromTop, Order::FromBottom];
    /// The orders by size, in which objects of one size share a rank.
    pub const SIZES: [Order; 2] = [Order::FromLargest, Order::FromSmallest];

    /// Sort key: smaller for objects that come earlier.
    fn key(self, object: &Object) -> f32 {
        let ((x, y), size) = (object.center(), object.look.size as u8);
        match self {
            Order::FromLeft => x,
            Order::FromRight => -x,
            Order::FromTop => y,
            Order::FromBottom => -y,
            Order::FromLargest => -f32::from(size),
            Order::FromSmallest => f32::from(size),
        }
    }

    /// Those of `indices` that have `rank`, from 1.
    ///
    /// Equal objects have the same rank.
    pub fn ranked(self, scene: &Scene, indices: &[usize], rank: usize) -> Vec<usize> {
        let key = |k: usize| self.key(&scene.objects[k]);
        let earlier = |k: usize| indices.iter().filter(|&&other| key(other) < key(k)).count();
        indices.iter().copied().filter(|&k| earlier(k) + 1 == rank).collect()
    }
}

/// Least lead of the nearest object over the next, in units of a scene.
pub const NEARER: f32 = 0.1 * SIDE;

/// The meaning of a phrase for one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// "the red star".
    Kind(Kind),
    /// "the star left of the ring and above the square".
    Placed {
        /// The kind of the objects.
        kind: Kind,
        /// Places, all of which the object is in.
        places: Vec<Place>,
    },
    /// "the leftmost star", "the second star from the left", "the largest red shape".
    Ranked {
        /// The kind of the objects, which are several.
        kind: Kind,
        /// The order of the objects.
        order: Order,
        /// The object's rank in this order, from 1.
        rank: usize,
    },
    /// "the star closest to the ring".
    Closest {
        /// The kind of the objects.
        kind: Kind,
        /// The kind of the one object whose middle is nearest to the object's.
        anchor: Kind,
    },
}

impl Reference {
    /// The objects that it may refer to.
    ///
    /// It is exactly one if it is a good reference in the scene. It is none if it speaks of
    /// something that is not there or not unique.
    pub fn candidates(&self, scene: &Scene) -> Vec<usize> {
        match self {
            Reference::Kind(kind) => scene.of_kind(kind),
            Reference::Placed { kind, places } => placed(scene, kind, places),
            Reference::Ranked { kind, order, rank } => {
                let all = scene.of_kind(kind);
                // "The leftmost star" says that there are others.
                if all.len() < 2 { Vec::new() } else { order.ranked(scene, &all, *rank) }
            }
            Reference::Closest { kind, anchor } => closest(scene, kind, anchor),
        }
    }

    /// The object that it refers to.
    pub fn referent(&self, scene: &Scene) -> Option<usize> {
        match self.candidates(scene)[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The attributes that it gives of the object itself.
    pub fn kind(&self) -> &Kind {
        match self {
            Reference::Kind(kind)
            | Reference::Placed { kind, .. }
            | Reference::Ranked { kind, .. }
            | Reference::Closest { kind, .. } => kind,
        }
    }

    /// Whether it gives away the value of `attribute`.
    pub(crate) fn tells(&self, attribute: Attribute) -> bool {
        let by_size = matches!(self, Reference::Ranked { order, .. } if Order::SIZES.contains(order));
        self.kind().tells(attribute) || by_size && attribute == Attribute::Size
    }

    /// The reference with every value replaced by the first of its type.
    pub(crate) fn form(&self) -> Reference {
        match self {
            Reference::Kind(kind) => Reference::Kind(kind.form()),
            Reference::Placed { kind, places } => {
                Reference::Placed { kind: kind.form(), places: places.iter().map(Place::form).collect() }
            }
            Reference::Ranked { kind, order, rank } => {
                Reference::Ranked { kind: kind.form(), order: *order, rank: *rank }
            }
            Reference::Closest { kind, anchor } => Reference::Closest { kind: kind.form(), anchor: anchor.form() },
        }
    }
}

impl Place {
    /// The place with every value of its kind replaced by the first.
    pub(crate) fn form(&self) -> Place {
        Place { relation: Relation::LeftOf, anchor: self.anchor.form() }
    }
}

/// The objects of `kind` in all of `places`.
///
/// None if a place's anchor is not one object.
pub(crate) fn placed(scene: &Scene, kind: &Kind, places: &[Place]) -> Vec<usize> {
    let mut found = scene.of_kind(kind);
    for place in places {
        let anchor = scene.the(&place.anchor);
        let fits = |k: &usize| anchor.is_some_and(|a| place.relation.holds(&scene.objects[*k], &scene.objects[a]));
        found.retain(fits);
    }
    found
}

fn closest(scene: &Scene, kind: &Kind, anchor: &Kind) -> Vec<usize> {
    let Some(anchor) = scene.the(anchor) else { return Vec::new() };
    let (ax, ay) = scene.objects[anchor].center();
    let distance = |k: usize| {
        let (x, y) = scene.objects[k].center();
        (x - ax).hypot(y - ay)
    };
    let others: Vec<usize> = scene.of_kind(kind).into_iter().filter(|&k| k != anchor).collect();
    let nearest = others.iter().map(|&k| distance(k)).fold(f32::INFINITY, f32::min);
    // "The closest star" says that there are others.
    if others.len() < 2 {
        return Vec::new();
    }
    others.into_iter().filter(|&k| distance(k) < nearest + NEARER).collect()
}
