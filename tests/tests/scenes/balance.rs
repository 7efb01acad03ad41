//! Questions do not give their answers away.

use std::collections::{BTreeMap, HashMap};

use mmnas_search::scenes::*;

use crate::{asked, scenes};

/// Naive Bayes over the words of a question, and pairs of neighbouring ones, with add-one smoothing.
fn by_words(train: &[AskedQuestion], test: &[AskedQuestion]) -> f64 {
    fn words(text: &str) -> Vec<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.iter().map(|w| (*w).to_owned()).chain(words.windows(2).map(|w| w.join(" "))).collect()
    }
    let mut counts: BTreeMap<Answer, (f64, HashMap<String, f64>)> = BTreeMap::new();
    for q in train {
        let of_answer = counts.entry(q.answer).or_default();
        of_answer.0 += 1.0;
        for word in words(&q.text) {
            *of_answer.1.entry(word).or_default() += 1.0;
        }
    }
    let guess = |q: &AskedQuestion| {
        let score = |(n, seen): &(f64, HashMap<String, f64>)| {
            let all: f64 = seen.values().sum::<f64>() + 2000.0;
            n.ln() + words(&q.text).iter().map(|w| ((seen.get(w).unwrap_or(&0.0) + 1.0) / all).ln()).sum::<f64>()
        };
        let best = counts.iter().map(|(a, c)| (score(c), *a)).max_by(|a, b| a.0.total_cmp(&b.0));
        best.unwrap().1
    };
    test.iter().filter(|q| guess(q) == q.answer).count() as f64 / test.len() as f64
}

#[test]
fn the_question_alone_does_not_give_the_answer() {
    let all: Vec<Vec<AskedQuestion>> = scenes(2000).map(|(number, scene)| asked(number, &scene)).collect();
    let (train, test) = (all[..1600].concat(), all[1600..].concat());
    let mut alone = LanguagePrior::default();
    train.iter().for_each(|q| alone.learn(q));
    test.iter().for_each(|q| alone.test(q));
    let words = by_words(&train, &test[..1000]);
    assert!(alone.accuracy() < 0.40, "{}", alone.accuracy());
    assert!(words < 0.45, "{words}");
    // Yes and no are equally frequent in every kind of question, also where there are few shapes.
    let mut yes: BTreeMap<(String, bool), (usize, usize)> = BTreeMap::new();
    for (q, (_, scene)) in all.iter().zip(scenes(2000)).flat_map(|(qs, s)| qs.iter().map(move |q| (q, s.clone()))) {
        if let Answer::YesNo(answer) = q.answer {
            let name = format!("{:?}", q.question).split_whitespace().next().unwrap().to_owned();
            let counts = yes.entry((name, scene.objects.len() < 4)).or_default();
            counts.0 += usize::from(answer);
            counts.1 += 1;
        }
    }
    for (name, (yes, all)) in &yes {
        let share = *yes as f64 / *all as f64;
        assert!((0.4..=0.6).contains(&share), "{name:?}: {share} of {all}");
    }
    eprintln!("question alone {:.3}, its words {words:.3}", alone.accuracy());
}
