//! Questions about a scene.
//!
//! The answer is decided first and a question is looked for that has it. So the question alone does
//! not give the answer away.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::attributes::{Attribute, Color, Filling, Kind, Look, Shape, Size};
use crate::scenes::scene::{Scene, weighted};
use crate::scenes::text::describe::{another, kind_of_one, place_of, reference_to};
use crate::scenes::text::question::{Answer, Comparison, Question};
use crate::scenes::text::question_text::in_words;
use crate::scenes::text::reference::{Place, Relation};
use crate::scenes::text::wording::word_count;

/// Largest number of words of a text.
///
/// The published setting of 14 tokens would cut longer texts, and they would then ask something
/// else.
pub const MAX_WORDS: usize = 14;
/// Number of proposals for a question before it is given up.
const TRIES: usize = 40;
/// Number of proposals that are looked at for the wanted answer.
const WANTED_TRIES: usize = 24;
/// Weight of each count, from 0, among those that the scene offers.
///
/// Large counts are rarely offered.
const COUNT_WEIGHTS: [u32; 7] = [4, 5, 8, 12, 20, 30, 40];

/// A question about a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuestion {
    /// Its meaning.
    pub question: Question,
    /// Its words.
    pub text: String,
    /// The answer.
    pub answer: Answer,
}

/// Up to `count` different questions about the scene, of at most [`MAX_WORDS`] words.
pub fn questions(scene: &Scene, count: usize, rng: &mut ChaCha8Rng) -> Vec<AskedQuestion> {
    let mut asked: Vec<AskedQuestion> = Vec::with_capacity(count);
    for _ in 0..count * TRIES {
        if asked.len() == count {
            break;
        }
        let Some(question) = propose(scene, rng) else { continue };
        let Some(answer) = question.answer(scene) else { continue };
        let text = in_words(&question, rng);
        let known = asked.iter().any(|other| other.question == question || other.text == text);
        if !known && word_count(&text) <= MAX_WORDS {
            asked.push(AskedQuestion { question, text, answer });
        }
    }
    asked
}

fn propose(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Question> {
    let wanted = rng.random_bool(0.5);
    match weighted(rng, &[14, 24, 40, 8, 7, 7]) {
        0 => exists(scene, wanted, rng),
        1 => how_many(scene, rng),
        2 => query(scene, rng),
        3 => compare(scene, wanted, rng),
        4 => verify(scene, rng),
        _ => same(scene, wanted, rng),
    }
}

/// The first of some proposals that is answered as `wanted`.
fn answered(
    scene: &Scene,
    wanted: bool,
    rng: &mut ChaCha8Rng,
    propose: impl Fn(&mut ChaCha8Rng) -> Option<Question>,
) -> Option<Question> {
    let fits = |q: &Question| q.answer(scene) == Some(Answer::YesNo(wanted));
    (0..WANTED_TRIES).find_map(|_| propose(rng).filter(fits))
}

/// Some attributes; `weights` are those of none, one, two, three.
fn attributes(rng: &mut ChaCha8Rng, weights: &[u32]) -> Vec<Attribute> {
    let count = weighted(rng, weights);
    Attribute::ALL.sample(rng, count).copied().collect()
}

/// The looks of an object that might have been in the scene.
///
/// Each attribute is from one of its objects, or any.
fn imagined(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Look> {
    let mut one = || scene.objects.choose(rng).map(|object| object.look);
    let mut look = Look { shape: one()?.shape, color: one()?.color, size: one()?.size, filling: one()?.filling };
    if rng.random_bool(0.5) {
        match weighted(rng, &[2, 2, 1, 1]) {
            0 => look.shape = Shape::any(rng),
            1 => look.color = Color::any(rng),
            2 => look.size = Size::any(rng),
            _ => look.filling = Filling::any(rng),
        }
    }
    Some(look)
}

/// A place beside any object that has a kind of its own.
fn any_place(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Place> {
    let anchor = rng.random_range(0..scene.objects.len());
    Some(Place { relation: *Relation::ALL.choose(rng)?, anchor: kind_of_one(scene, anchor, None, rng)? })
}

fn exists(scene: &Scene, wanted: bool, rng: &mut ChaCha8Rng) -> Option<Question> {
    let told = attributes(rng, &[0, 4, 8, 4]);
    let placed = rng.random_bool(0.4) && scene.objects.len() > 1;
    answered(scene, wanted, rng, |rng| {
        // The object that is there, or one that is not.
        let object = rng.random_range(0..scene.objects.len());
        let look = if wanted { scene.objects[object].look } else { imagined(scene, rng)? };
        let place = match placed {
            true if wanted => Some(place_of(scene, object, rng)?),
            true => Some(any_place(scene, rng)?),
            false => None,
        };
        Some(Question::Exists { kind: Kind::of(&look, &told), place })
    })
}

fn how_many(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Question> {
    let told = attributes(rng, &[2, 8, 5]);
    let placed = rng.random_bool(0.35) && scene.objects.len() > 1;
    let mut offered: Vec<(Question, usize)> = Vec::new();
    for _ in 0..WANTED_TRIES {
        let kind = Kind::of(&imagined(scene, rng)?, &told);
        let place = if placed { any_place(scene, rng) } else { None };
        let question = Question::Count { kind, place };
        if let Some(Answer::Number(count)) = question.answer(scene) {
            offered.push((question, count));
        }
    }
    let there = |count: usize| offered.iter().any(|(_, c)| *c == count);
    let weights: Vec<u32> =
        COUNT_WEIGHTS.iter().enumerate().map(|(count, &weight)| if there(count) { weight } else { 0 }).collect();
    let wanted = weighted(rng, &weights);
    offered.retain(|(_, count)| *count == wanted);
    offered.choose(rng).map(|(question, _)| question.clone())
}

fn query(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Question> {
    let attribute = Attribute::ALL[weighted(rng, &[13, 14, 8, 4])];
    let target = rng.random_range(0..scene.objects.len());
    Some(Question::Query { attribute, of: reference_to(scene, target, Some(attribute), rng)? })
}

fn compare(scene: &Scene, wanted: bool, rng: &mut ChaCha8Rng) -> Option<Question> {
    let comparison = *[Comparison::More, Comparison::Fewer, Comparison::Equal].choose(rng)?;
    // Both kinds tell the same attributes: the one that tells less would be the more frequent one.
    let told = attributes(rng, &[0, 3, 1]);
    answered(scene, wanted, rng, |rng| {
        let [first, second] = [imagined(scene, rng)?, imagined(scene, rng)?].map(|look| Kind::of(&look, &told));
        let there = |kind: &Kind| !scene.of_kind(kind).is_empty();
        let sensible = first != second && (there(&first) || there(&second));
        sensible.then_some(Question::Compare { comparison, first, second })
    })
}

/// A question for the place of one object to another.
///
/// Two of the four relations hold between any two objects, so either answer is equally likely.
fn verify(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Question> {
    let first = rng.random_range(0..scene.objects.len());
    let second = another(scene, first, rng)?;
    let (subject, anchor) = (kind_of_one(scene, first, None, rng)?, kind_of_one(scene, second, None, rng)?);
    Some(Question::Verify { subject, place: Place { relation: *Relation::ALL.choose(rng)?, anchor } })
}

fn same(scene: &Scene, wanted: bool, rng: &mut ChaCha8Rng) -> Option<Question> {
    let attribute = *Attribute::ALL.choose(rng)?;
    answered(scene, wanted, rng, |rng| {
        let first = rng.random_range(0..scene.objects.len());
        let second = another(scene, first, rng)?;
        let one = |object, rng: &mut ChaCha8Rng| kind_of_one(scene, object, Some(attribute), rng);
        Some(Question::Same { attribute, first: one(first, rng)?, second: one(second, rng)? })
    })
}
