//! Structured forms of questions, and their answers.

use std::fmt;

use crate::scenes::attributes::{Attribute, Kind};
use crate::scenes::scene::Scene;
use crate::scenes::text::reference::{Place, Reference, placed};

/// Relation between two counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The first is larger.
    More,
    /// The first is smaller.
    Fewer,
    /// They are equal.
    Equal,
}

/// The meaning of a question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// Asks whether there is an object of the kind (in this place).
    Exists {
        /// Which objects.
        kind: Kind,
        /// Their place, if it matters.
        place: Option<Place>,
    },
    /// Asks how many objects of the kind there are (in this place).
    Count {
        /// Which objects.
        kind: Kind,
        /// Their place, if it matters.
        place: Option<Place>,
    },
    /// Asks for an attribute of the object.
    Query {
        /// The attribute.
        attribute: Attribute,
        /// The object.
        of: Reference,
    },
    /// Asks whether the counts of two kinds compare so.
    Compare {
        /// The expected relation of the counts.
        comparison: Comparison,
        /// The first kind.
        first: Kind,
        /// The second kind.
        second: Kind,
    },
    /// Asks for the place of the one object of a kind to that of another.
    Verify {
        /// The kind of the first object.
        subject: Kind,
        /// The relation, and the other kind.
        place: Place,
    },
    /// Asks whether the only objects of two kinds share this attribute.
    Same {
        /// The attribute.
        attribute: Attribute,
        /// The first object.
        first: Kind,
        /// The second object.
        second: Kind,
    },
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// "yes" or "no".
    YesNo(bool),
    /// A count.
    Number(usize),
    /// The name of an attribute's value.
    Word(&'static str),
}

impl Answer {
    /// The answer's type as in the VQA data sets: "yes/no", "number", "other".
    pub fn answer_type(&self) -> &'static str {
        match self {
            Answer::YesNo(_) => "yes/no",
            Answer::Number(_) => "number",
            Answer::Word(_) => "other",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::YesNo(true) => f.write_str("yes"),
            Answer::YesNo(false) => f.write_str("no"),
            Answer::Number(count) => count.fmt(f),
            Answer::Word(word) => f.write_str(word),
        }
    }
}

impl Question {
    /// The answer in the scene.
    ///
    /// `None` if the question speaks of one object and there is none or several.
    pub fn answer(&self, scene: &Scene) -> Option<Answer> {
        let look = |k: usize| &scene.objects[k].look;
        let count = |kind: &Kind| scene.of_kind(kind).len();
        let found = |kind: &Kind, place: &Option<Place>| {
            let anchored = place.is_none_or(|p| scene.the(&p.anchor).is_some());
            anchored.then(|| placed(scene, kind, place.as_slice()).len())
        };
        Some(match self {
            Question::Exists { kind, place } => Answer::YesNo(found(kind, place)? > 0),
            Question::Count { kind, place } => Answer::Number(found(kind, place)?),
            Question::Query { attribute, of } => Answer::Word(look(of.referent(scene)?).value(*attribute)),
            Question::Compare { comparison, first, second } => Answer::YesNo(match comparison {
                Comparison::More => count(first) > count(second),
                Comparison::Fewer => count(first) < count(second),
                Comparison::Equal => count(first) == count(second),
            }),
            Question::Verify { subject, place: Place { relation, anchor } } => {
                let (a, b) = two(scene, subject, anchor)?;
                Answer::YesNo(relation.holds(&scene.objects[a], &scene.objects[b]))
            }
            Question::Same { attribute, first, second } => {
                let (a, b) = two(scene, first, second)?;
                Answer::YesNo(look(a).value(*attribute) == look(b).value(*attribute))
            }
        })
    }

    /// The form of the question: its values taken away.
    ///
    /// Questions of one form differ only in their words for shapes, colours, sizes, fillings and
    /// relations.
    pub fn form(&self) -> Question {
        let place = |p: &Option<Place>| p.as_ref().map(Place::form);
        match self {
            Question::Exists { kind, place: p } => Question::Exists { kind: kind.form(), place: place(p) },
            Question::Count { kind, place: p } => Question::Count { kind: kind.form(), place: place(p) },
            Question::Query { attribute, of } => Question::Query { attribute: *attribute, of: of.form() },
            Question::Compare { comparison, first, second } => {
                Question::Compare { comparison: *comparison, first: first.form(), second: second.form() }
            }
            Question::Verify { subject, place } => Question::Verify { subject: subject.form(), place: place.form() },
            Question::Same { attribute, first, second } => {
                Question::Same { attribute: *attribute, first: first.form(), second: second.form() }
            }
        }
    }
}

/// The one object of each of two kinds, if these are two objects.
fn two(scene: &Scene, first: &Kind, second: &Kind) -> Option<(usize, usize)> {
    let (a, b) = (scene.the(first)?, scene.the(second)?);
    (a != b).then_some((a, b))
}
