//! Answers are normalised as the published code normalises them.

use mmnas_bundle::answers::normalise;
use mmnas_tests::fixtures::json;

#[test]
fn every_answer_of_the_fixture_is_normalised_alike() {
    let fixture = json("official/answers.json");
    let pairs = fixture.as_array().unwrap();
    assert!(pairs.len() >= 28);
    for pair in pairs {
        let (raw, expected) = (pair["raw"].as_str().unwrap(), pair["normalised"].as_str().unwrap());
        assert_eq!(normalise(raw), expected, "{raw:?}");
    }
}
