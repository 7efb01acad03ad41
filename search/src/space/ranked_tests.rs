//! Tests of ranked architectures against all of them, sorted.

use mmnas_bundle::Architecture;
use rand::RngExt as _;

use crate::seed::rng;
use crate::space::ranked::{best_of_each, ranked};

#[test]
fn all_architectures_come_by_falling_score() {
    for seed in 0..20 {
        let mut rng = rng(seed, "scores", 0);
        let scores: Vec<Vec<f64>> =
            [3, 2, 4, 1].map(|choices| (0..choices).map(|_| f64::from(rng.random_range(0..5)) - 4.0).collect()).into();
        let mut all: Vec<(f64, Vec<usize>)> = Vec::new();
        for number in 0..24 {
            let choices = vec![number % 3, number / 3 % 2, number / 6, 0];
            all.push((choices.iter().zip(&scores).map(|(&k, block)| block[k]).sum(), choices));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let found: Vec<_> = ranked(scores, best_of_each).collect();
        let falling = |list: Vec<f64>| list.iter().map(|score| format!("{score:.6}")).collect::<Vec<_>>();
        assert_eq!(
            falling(found.iter().map(|found| found.score).collect()),
            falling(all.iter().map(|(score, _)| *score).collect())
        );
        let mut choices: Vec<_> = found.into_iter().map(|found| found.choices).collect();
        let mut expected: Vec<_> = all.into_iter().map(|(_, choices)| choices).collect();
        choices.sort();
        expected.sort();
        assert_eq!(choices, expected);
    }
}

#[test]
fn blocks_that_do_nothing_do_not_make_another_network() {
    let network = |decoder: &str| {
        let text = format!(r#"{{"enc": [["self_att_64"]], "dec": {decoder}}}"#);
        serde_json::from_str::<Architecture>(&text).unwrap().without_skips()
    };
    let one = network(r#"[["skip_connect"], ["guided_att_64"], ["feed_forward"]]"#);
    assert_eq!(one, network(r#"[["guided_att_64"], ["skip_connect"], ["feed_forward"]]"#));
    assert_ne!(one, network(r#"[["feed_forward"], ["skip_connect"], ["guided_att_64"]]"#));
}
