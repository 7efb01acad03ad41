//! Questions, phrases and captions against the second evaluator and their own words.

use std::collections::BTreeMap;

use mmnas_search::rng;
use mmnas_search::scenes::*;

use crate::meaning::{answer, is_true, meant, things};
use crate::words::{named, of_question, of_reference, told};
use crate::{SEED, asked, scenes};

#[test]
fn every_question_has_the_recorded_answer() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (number, scene) in scenes(500) {
        let things = things(&scene);
        let asked = asked(number, &scene);
        assert_eq!(asked.len(), 8);
        for q in &asked {
            assert_eq!(q.answer.to_string(), answer(&things, &q.question), "image {number}: {}", q.text);
            assert!(q.text.split_whitespace().count() <= MAX_WORDS, "{}", q.text);
            let (kinds_told, relations) = of_question(&q.question);
            assert_eq!(told(&q.text), (named(kinds_told), relations), "image {number}: {} {:?}", q.text, q.question);
            let name = format!("{:?}", q.question);
            *kinds.entry(name.split_whitespace().next().unwrap().to_owned()).or_default() += 1;
        }
        let texts: std::collections::HashSet<&str> = asked.iter().map(|q| q.text.as_str()).collect();
        assert_eq!(texts.len(), 8);
    }
    assert!(kinds.len() == 6 && kinds.values().all(|count| *count >= 100), "{kinds:?}");
}

#[test]
fn a_phrase_means_one_object() {
    let mut forms: BTreeMap<String, usize> = BTreeMap::new();
    for (number, scene) in scenes(500) {
        let things = things(&scene);
        let phrases = phrases(&scene, 4, &mut rng(SEED, "scene phrases", number));
        assert_eq!(phrases.len(), 4);
        for phrase in &phrases {
            let found = meant(&things, &phrase.reference);
            assert_eq!(found.len(), 1, "image {number}: {}", phrase.text);
            assert!(std::ptr::eq(found[0], &things[phrase.object]), "image {number}: {}", phrase.text);
            let (kinds, relations) = of_reference(&phrase.reference);
            assert_eq!(told(&phrase.text), (named(kinds), relations), "image {number}: {}", phrase.text);
            let name = format!("{:?}", phrase.reference);
            *forms.entry(name.split(['(', ' ']).next().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(forms.len() == 4 && forms.values().all(|count| *count >= 50), "{forms:?}");
}

#[test]
fn captions_are_true_of_their_own_image_and_of_hardly_another() {
    let writer = CaptionWriter::new(SEED);
    let all: Vec<(Scene, Vec<Caption>)> = scenes(200)
        .map(|(number, scene)| {
            let captions = writer.captions(&scene, &mut rng(SEED, "scene captions", number));
            (scene, captions)
        })
        .collect();
    let (mut true_elsewhere, mut pairs) = (0, 0);
    for (number, (scene, captions)) in all.iter().enumerate() {
        assert_eq!(captions.len(), CAPTIONS, "image {number}");
        let own = things(scene);
        for (k, caption) in captions.iter().enumerate() {
            let text = &caption.text;
            assert!(is_true(&own, &caption.statement), "image {number}: {text}");
            assert!(text.split_whitespace().count() <= MAX_CAPTION_WORDS);
            assert!(captions[..k].iter().all(|c| c.text != *text && c.statement != caption.statement));
            let s = &caption.statement;
            // The word for any number of any objects tells nothing.
            let kinds = s.things.iter().chain(s.counts.iter().map(|c| &c.0)).chain(s.extremes.iter().map(|e| &e.1));
            assert_eq!(told(text).0, named(kinds), "image {number}: {text}");
        }
        // The two evaluators also agree where a caption is false, on a few other images.
        for (other, (scene, _)) in all.iter().enumerate().filter(|(other, _)| *other != number) {
            for caption in captions {
                let holds = caption.statement.holds(scene);
                if (other + number) % 20 == 0 {
                    assert_eq!(holds, is_true(&things(scene), &caption.statement), "{}", caption.text);
                }
                true_elsewhere += usize::from(holds);
                pairs += 1;
            }
        }
    }
    let share = true_elsewhere as f64 / pairs as f64;
    assert!(share < 0.002, "{share}");
}

#[test]
fn things_of_a_statement_are_different_objects() {
    let object = |shape, color, filling, center: (f32, f32)| {
        let look = Look { shape, color, size: Size::Large, filling };
        Object { look, outline: Outline::new(shape, center, 200.0, 0.0).unwrap(), tone: 0.0 }
    };
    let star = object(Shape::Star, Color::Red, Filling::Striped, (300.0, 300.0));
    let red = Kind { color: Some(Color::Red), ..Kind::ANY };
    let striped = Kind { filling: Some(Filling::Striped), ..Kind::ANY };
    let both = Statement { things: vec![red, striped], ..Statement::default() };
    let mut scene = Scene { objects: vec![star] };
    assert!(!both.holds(&scene));
    scene.objects.push(object(Shape::Ring, Color::Blue, Filling::Striped, (700.0, 600.0)));
    assert!(both.holds(&scene));
    let link = |relation| Statement { links: vec![(0, relation, 1)], ..both.clone() };
    assert!(link(Relation::LeftOf).holds(&scene) && link(Relation::Above).holds(&scene));
    assert!(!link(Relation::RightOf).holds(&scene) && !link(Relation::Below).holds(&scene));
}
