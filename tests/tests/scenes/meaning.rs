//! The meanings, computed a second time: from the objects' attributes and places alone, and by trying all ways to choose
//! objects.

use mmnas_search::scenes::*;

/// An object as its attributes' names and its middle.
pub(crate) struct Thing {
    pub(crate) names: [&'static str; 4],
    pub(crate) x: f32,
    pub(crate) y: f32,
}

pub(crate) fn things(scene: &Scene) -> Vec<Thing> {
    let thing = |object: &Object| {
        let [x1, y1, x2, y2] = object.outline.bounds();
        Thing { names: Attribute::ALL.map(|a| object.look.value(a)), x: 0.5 * (x1 + x2), y: 0.5 * (y1 + y2) }
    };
    scene.objects.iter().map(thing).collect()
}

pub(crate) fn names(kind: &Kind) -> [Option<&'static str>; 4] {
    [
        kind.shape.map(Shape::name),
        kind.color.map(Color::name),
        kind.size.map(Size::name),
        kind.filling.map(Filling::name),
    ]
}

pub(crate) fn is(thing: &Thing, kind: &Kind) -> bool {
    names(kind).iter().zip(thing.names).all(|(told, name)| told.is_none() || *told == Some(name))
}

/// Whether the relation holds, by a margin that the eye sees.
pub(crate) fn related(a: &Thing, relation: Relation, b: &Thing) -> bool {
    assert!((a.x - b.x).abs() >= 50.0 && (a.y - b.y).abs() >= 50.0);
    let (right, down) = (a.x - b.x, a.y - b.y);
    match relation {
        Relation::LeftOf => right <= -50.0,
        Relation::RightOf => right >= 50.0,
        Relation::Above => down <= -50.0,
        Relation::Below => down >= 50.0,
    }
}

pub(crate) fn only<'a>(things: &'a [Thing], kind: &Kind) -> &'a Thing {
    let found: Vec<&Thing> = things.iter().filter(|t| is(t, kind)).collect();
    assert_eq!(found.len(), 1, "{kind:?} is not one object");
    found[0]
}

pub(crate) fn in_places<'a>(things: &'a [Thing], kind: &Kind, places: &[Place]) -> Vec<&'a Thing> {
    let fits = |t: &Thing| {
        places.iter().all(|p| {
            let anchor = only(things, &p.anchor);
            !std::ptr::eq(t, anchor) && related(t, p.relation, anchor)
        })
    };
    things.iter().filter(|t| is(t, kind) && fits(t)).collect()
}

/// The objects that a reference means, by sorting and measuring.
pub(crate) fn meant<'a>(things: &'a [Thing], reference: &Reference) -> Vec<&'a Thing> {
    match reference {
        Reference::Kind(kind) => in_places(things, kind, &[]),
        Reference::Placed { kind, places } => in_places(things, kind, places),
        Reference::Ranked { kind, order, rank } => {
            let mut all = in_places(things, kind, &[]);
            assert!(all.len() >= 2);
            let size = |t: &Thing| ["small", "medium", "large"].iter().position(|s| *s == t.names[2]).unwrap() as f32;
            let key = |t: &Thing| match order {
                Order::FromLeft => t.x,
                Order::FromRight => -t.x,
                Order::FromTop => t.y,
                Order::FromBottom => -t.y,
                Order::FromLargest => -size(t),
                Order::FromSmallest => size(t),
            };
            all.sort_by(|a, b| key(a).total_cmp(&key(b)));
            let equal = |k: usize| all.get(k).is_some_and(|t| key(t) == key(all[rank - 1]));
            assert!(!equal(*rank) && (*rank < 2 || !equal(rank - 2)), "{reference:?} shares its rank");
            vec![all[rank - 1]]
        }
        Reference::Closest { kind, anchor } => {
            let anchor = only(things, anchor);
            let distance = |t: &Thing| ((t.x - anchor.x).powi(2) + (t.y - anchor.y).powi(2)).sqrt();
            let mut all = in_places(things, kind, &[]);
            all.retain(|t| !std::ptr::eq(*t, anchor));
            all.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            assert!(distance(all[1]) >= distance(all[0]) + 99.9, "{reference:?} is close");
            vec![all[0]]
        }
    }
}

pub(crate) fn answer(things: &[Thing], question: &Question) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let count = |kind: &Kind, place: &Option<Place>| in_places(things, kind, place.as_slice()).len();
    let value = |t: &Thing, attribute| t.names[Attribute::ALL.iter().position(|a| *a == attribute).unwrap()];
    match question {
        Question::Exists { kind, place } => yes_no(count(kind, place) >= 1),
        Question::Count { kind, place } => count(kind, place).to_string(),
        Question::Query { attribute, of } => {
            let found = meant(things, of);
            assert_eq!(found.len(), 1, "{of:?}");
            value(found[0], *attribute).to_owned()
        }
        Question::Compare { comparison, first, second } => {
            let difference = count(first, &None) as i64 - count(second, &None) as i64;
            yes_no(match comparison {
                Comparison::More => difference > 0,
                Comparison::Fewer => difference < 0,
                Comparison::Equal => difference == 0,
            })
        }
        Question::Verify { subject, place } => {
            yes_no(related(only(things, subject), place.relation, only(things, &place.anchor)))
        }
        Question::Same { attribute, first, second } => {
            assert!(!first.tells(*attribute) && !second.tells(*attribute));
            yes_no(value(only(things, first), *attribute) == value(only(things, second), *attribute))
        }
    }
}

/// Whether a statement is true, by trying every choice of as many objects as it has things, in every order.
pub(crate) fn is_true(things: &[Thing], s: &Statement) -> bool {
    let count = |kind: &Kind| things.iter().filter(|t| is(t, kind)).count();
    let first = |order: &Order, kind: &Kind| {
        let own = |t: &Thing| match order {
            Order::FromLeft => t.x,
            Order::FromRight => -t.x,
            Order::FromTop => t.y,
            Order::FromBottom => -t.y,
            Order::FromLargest => -(["small", "medium", "large"].iter().position(|n| *n == t.names[2]).unwrap() as f32),
            Order::FromSmallest => ["small", "medium", "large"].iter().position(|n| *n == t.names[2]).unwrap() as f32,
        };
        let least = things.iter().map(own).fold(f32::INFINITY, f32::min);
        let firsts: Vec<&Thing> = things.iter().filter(|t| own(t) == least).collect();
        firsts.len() == 1 && is(firsts[0], kind)
    };
    let n = things.len();
    let choice_fits = |choice: &[usize]| {
        let different = (0..choice.len()).all(|a| (0..a).all(|b| choice[a] != choice[b]));
        different
            && s.things.iter().zip(choice).all(|(kind, k)| is(&things[*k], kind))
            && s.links.iter().all(|(a, r, b)| related(&things[choice[*a]], *r, &things[choice[*b]]))
            && s.quarters.iter().all(|(a, q)| {
                let t = &things[choice[*a]];
                (t.x < 500.0) == q.left && (t.y < 500.0) == q.upper
            })
    };
    let choices = n.pow(s.things.len() as u32);
    s.counts.iter().all(|(kind, c)| count(kind) == *c)
        && s.extremes.iter().all(|(order, kind)| first(order, kind))
        && (0..choices).any(|code| {
            let digits: Vec<usize> = (0..s.things.len()).map(|k| code / n.pow(k as u32) % n).collect();
            choice_fits(&digits)
        })
}
