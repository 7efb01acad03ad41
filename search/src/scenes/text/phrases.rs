//! Phrases that refer to one object of a scene.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenes::scene::Scene;
use crate::scenes::text::describe::reference_to;
use crate::scenes::text::questions::MAX_WORDS;
use crate::scenes::text::reference::Reference;
use crate::scenes::text::wording::{Wording, word_count};

/// Number of proposals for a phrase before it is given up.
const TRIES: usize = 20;

/// A phrase and the object that it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// Its meaning.
    pub reference: Reference,
    /// Its words.
    pub text: String,
    /// Index of the object that it refers to.
    pub object: usize,
}

/// Up to `count` different phrases of at most [`MAX_WORDS`] words.
///
/// If possible, no object has two more than another.
pub fn phrases(scene: &Scene, count: usize, rng: &mut ChaCha8Rng) -> Vec<Phrase> {
    let mut order: Vec<usize> = (0..scene.objects.len()).collect();
    order.shuffle(rng);
    let mut phrases: Vec<Phrase> = Vec::with_capacity(count);
    for object in order.into_iter().cycle().take(count * TRIES) {
        if phrases.len() == count {
            break;
        }
        let Some(reference) = reference_to(scene, object, None, rng) else { continue };
        let mut text = Wording::new(rng, false).reference(&reference);
        if rng.random_bool(0.3) {
            text = text.replacen("the ", "", 1);
        }
        if word_count(&text) <= MAX_WORDS && phrases.iter().all(|other| other.text != text) {
            phrases.push(Phrase { reference, text, object });
        }
    }
    phrases
}
