//! Finds references to a given object.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Kind};
use crate::scenes::scene::{Scene, weighted};
use crate::scenes::text::reference::{Order, Place, Reference, Relation};

/// Number of proposals that are looked at before a search is given up.
const TRIES: usize = 12;

/// A kind that only the object `target` is of, without the attribute `hidden`.
pub(crate) fn kind_of_one(
    scene: &Scene,
    target: usize,
    hidden: Option<Attribute>,
    rng: &mut ChaCha8Rng,
) -> Option<Kind> {
    let look = &scene.objects[target].look;
    let kinds: Vec<(Kind, u32)> = (0..16usize)
        .map(|set| {
            let told: Vec<Attribute> = Attribute::ALL.into_iter().filter(|&a| set >> a as usize & 1 == 1).collect();
            // People say a thing's shape, and no more than is needed.
            let weight = [6, 8, 6, 3, 1][told.len()] * if told.contains(&Attribute::Shape) { 3 } else { 1 };
            (Kind::of(look, &told), weight)
        })
        .filter(|(kind, _)| hidden.is_none_or(|a| !kind.tells(a)) && scene.the(kind) == Some(target))
        .collect();
    let weights: Vec<u32> = kinds.iter().map(|(_, weight)| *weight).collect();
    kinds.get(weighted(rng, &weights)).map(|(kind, _)| *kind)
}

/// A kind of up to `most` attributes of the object `target`, without `hidden`.
///
/// Others may be of it too.
fn kind_of(scene: &Scene, target: usize, most: u32, hidden: Option<Attribute>, rng: &mut ChaCha8Rng) -> Kind {
    let count = rng.random_range(0..=most);
    let allowed: Vec<Attribute> = Attribute::ALL.into_iter().filter(|&a| Some(a) != hidden).collect();
    let told: Vec<Attribute> = allowed.sample(rng, count as usize).copied().collect();
    Kind::of(&scene.objects[target].look, &told)
}

/// A place of the object `target` beside another object with its own kind.
pub(crate) fn place_of(scene: &Scene, target: usize, rng: &mut ChaCha8Rng) -> Option<Place> {
    let anchor = another(scene, target, rng)?;
    let holds = |r: &Relation| r.holds(&scene.objects[target], &scene.objects[anchor]);
    let relations: Vec<Relation> = Relation::ALL.into_iter().filter(holds).collect();
    Some(Place { relation: *relations.choose(rng)?, anchor: kind_of_one(scene, anchor, None, rng)? })
}

/// Any object but `target`.
pub(crate) fn another(scene: &Scene, target: usize, rng: &mut ChaCha8Rng) -> Option<usize> {
    let others: Vec<usize> = (0..scene.objects.len()).filter(|&k| k != target).collect();
    others.choose(rng).copied()
}

/// A reference to the object `target` without the attribute `hidden`.
pub(crate) fn reference_to(
    scene: &Scene,
    target: usize,
    hidden: Option<Attribute>,
    rng: &mut ChaCha8Rng,
) -> Option<Reference> {
    let good =
        |reference: &Reference| reference.referent(scene) == Some(target) && hidden.is_none_or(|a| !reference.tells(a));
    (0..TRIES).find_map(|_| propose(scene, target, hidden, rng).filter(good))
}

fn propose(scene: &Scene, target: usize, hidden: Option<Attribute>, rng: &mut ChaCha8Rng) -> Option<Reference> {
    match weighted(rng, &[5, 5, 2, 4, 1, 2]) {
        0 => kind_of_one(scene, target, hidden, rng).map(Reference::Kind),
        form @ (1 | 2) => {
            let kind = kind_of(scene, target, 2, hidden, rng);
            let places: Vec<Place> = (0..form).map(|_| place_of(scene, target, rng)).collect::<Option<_>>()?;
            // Every part of the phrase is needed.
            let needed = (0..places.len()).all(|left_out| {
                let mut fewer = places.clone();
                fewer.remove(left_out);
                Reference::Placed { kind, places: fewer }.candidates(scene).len() > 1
            });
            needed.then_some(Reference::Placed { kind, places })
        }
        3 => {
            let kind = kind_of(scene, target, 2, hidden, rng);
            let (order, alike) = (*Order::PLACES.choose(rng)?, scene.of_kind(&kind));
            let rank = (1..=alike.len()).find(|&rank| order.ranked(scene, &alike, rank) == [target])?;
            // Nobody counts from the side that is further away.
            (rank <= alike.len().div_ceil(2)).then_some(Reference::Ranked { kind, order, rank })
        }
        4 => {
            let kind = kind_of(scene, target, 2, Some(Attribute::Size), rng);
            Some(Reference::Ranked { kind, order: *Order::SIZES.choose(rng)?, rank: 1 })
        }
        _ => {
            let anchor = another(scene, target, rng)?;
            let kind = kind_of(scene, target, 1, hidden, rng);
            Some(Reference::Closest { kind, anchor: kind_of_one(scene, anchor, None, rng)? })
        }
    }
}
