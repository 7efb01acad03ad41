//! What texts tell, read from their words; and what structures tell.

use std::collections::HashMap;

use mmnas_search::scenes::*;

use crate::meaning::names;

/// The attributes' names that a text tells, in alphabetical order, whichever words it takes for them; and its relations.
pub(crate) fn told(text: &str) -> (Vec<&'static str>, Vec<Relation>) {
    let mut text = format!(" {} ", text.replace(['?', ',', ':'], ""));
    // Words that do not describe.
    let asking =
        ["striped or solid", "solid or striped", "how big", "how large", "of shape", "what shape", "which shape"];
    for asking in asking {
        text = text.replace(asking, "");
    }
    let meaning = [("without stripes", "solid"), ("with stripes", "striped"), ("plus sign", "cross")];
    for (words, name) in meaning {
        text = text.replace(words, name);
    }
    let synonyms = [("disc", "circle"), ("hoop", "ring"), ("little", "small"), ("big", "large")];
    let synonyms: HashMap<&str, &str> =
        synonyms.into_iter().chain([("turquoise", "cyan"), ("violet", "purple"), ("crosses", "cross")]).collect();
    let known: Vec<&'static str> = Shape::ALL
        .iter()
        .map(|v| v.name())
        .chain(Color::ALL.iter().map(|v| v.name()))
        .chain(Size::ALL.iter().map(|v| v.name()))
        .chain(Filling::ALL.iter().map(|v| v.name()))
        .collect();
    let name = |word: &str| {
        let word = synonyms.get(word).copied().unwrap_or(word);
        let one = word.strip_suffix('s').map(|w| synonyms.get(w).copied().unwrap_or(w));
        known.iter().copied().find(|k| *k == word || Some(*k) == one)
    };
    let mut names: Vec<&str> = text.split_whitespace().filter_map(name).collect();
    names.sort_unstable();
    let said = [
        (" left of ", Relation::LeftOf),
        (" on the left of ", Relation::LeftOf),
        (" right of ", Relation::RightOf),
        (" above ", Relation::Above),
        (" higher than ", Relation::Above),
        (" below ", Relation::Below),
        (" under ", Relation::Below),
        (" beneath ", Relation::Below),
        (" lower than ", Relation::Below),
    ];
    let mut relations: Vec<(usize, Relation)> =
        said.iter().flat_map(|(words, r)| text.match_indices(words).map(|(at, _)| (at, *r))).collect();
    // "on the left of" ends in "left of".
    let on_the_left = text.matches(" on the left of ").count();
    for _ in 0..on_the_left {
        let at = relations.iter().position(|(_, r)| *r == Relation::LeftOf).unwrap();
        relations.remove(at);
    }
    relations.sort_by_key(|(at, _)| *at);
    (names, relations.into_iter().map(|(_, r)| r).collect())
}

pub(crate) fn named<'a>(kinds: impl IntoIterator<Item = &'a Kind>) -> Vec<&'static str> {
    let mut all: Vec<&str> = kinds.into_iter().flat_map(names).flatten().collect();
    all.sort_unstable();
    all
}

pub(crate) fn of_reference(reference: &Reference) -> (Vec<&Kind>, Vec<Relation>) {
    match reference {
        Reference::Kind(kind) | Reference::Ranked { kind, .. } => (vec![kind], vec![]),
        Reference::Placed { kind, places } => (
            std::iter::once(kind).chain(places.iter().map(|p| &p.anchor)).collect(),
            places.iter().map(|p| p.relation).collect(),
        ),
        Reference::Closest { kind, anchor } => (vec![kind, anchor], vec![]),
    }
}

pub(crate) fn of_question(question: &Question) -> (Vec<&Kind>, Vec<Relation>) {
    match question {
        Question::Exists { kind, place } | Question::Count { kind, place } => (
            std::iter::once(kind).chain(place.iter().map(|p| &p.anchor)).collect(),
            place.iter().map(|p| p.relation).collect(),
        ),
        Question::Query { of, .. } => of_reference(of),
        Question::Compare { first, second, .. } | Question::Same { first, second, .. } => (vec![first, second], vec![]),
        Question::Verify { subject, place } => (vec![subject, &place.anchor], vec![place.relation]),
    }
}
