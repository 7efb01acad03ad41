//! Made-up scenes: exact boxes, one right answer to every question, phrases that mean one object, true captions, answers that
//! the question does not give away, the same bytes on any number of threads.

mod balance;
mod folder;
mod meaning;
mod pictures;
mod segments;
mod texts;
mod words;

use mmnas_search::rng;
use mmnas_search::scenes::scene::Scene;
use mmnas_search::scenes::text::questions::{AskedQuestion, questions};

const SEED: u64 = 11;

fn scenes(count: u64) -> impl Iterator<Item = (u64, Scene)> {
    (0..count).map(|number| (number, Scene::of_image(SEED, number)))
}

fn asked(number: u64, scene: &Scene) -> Vec<AskedQuestion> {
    questions(scene, 8, &mut rng(SEED, "scene questions", number))
}
