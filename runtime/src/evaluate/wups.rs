//! WUPS, the soft accuracy of DAQUAR (Malinowski and Fritz, 2014).
//!
//! Answers are sets of words, and a word that is near a true one in WordNet counts in part.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::evaluate::word_net::WordNet;

/// What a similarity below the threshold is multiplied by.
const FAR: f64 = 0.1;

/// WUPS of the answers to some questions, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Wups {
    /// At threshold 0.9: near synonyms count.
    pub at_0_9: f64,
    /// At threshold 0: everything counts by its similarity.
    pub at_0_0: f64,
}

/// The words of an answer, which several of them are joined by commas in.
fn words(answer: &str) -> Vec<&str> {
    answer.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// The words of an answer, each once, in an order of their own.
///
/// Two answers with equal words are the same.
pub(super) fn word_set(answer: &str) -> BTreeSet<&str> {
    words(answer).into_iter().collect()
}

/// The WUPS of an answer.
///
/// It is the smaller of the products of every found word's best similarity to the true ones and of every true word's to
/// the found.
pub(super) fn wups(net: &WordNet, found: &str, truth: &str, threshold: f64) -> f64 {
    let (found, truth) = (words(found), words(truth));
    let similarity = |a: &str, b: &str| {
        let similarity = net.similarity_of_words(a, b);
        if similarity < threshold { FAR * similarity } else { similarity }
    };
    let product = |from: &[&str], to: &[&str]| -> f64 {
        from.iter().map(|a| to.iter().map(|b| similarity(a, b)).fold(0.0, f64::max)).product()
    };
    product(&found, &truth).min(product(&truth, &found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entity > (thing > (seat > (chair, sofa), dog)), entity > idea.
    ///
    /// The word chair has a second meaning, under idea.
    fn net() -> WordNet {
        let folder = tempfile::tempdir().unwrap();
        let data = "  1 licence\n\
            00000001 03 n 01 entity 0 000 | all\n\
            00000002 03 n 01 thing 0 001 @ 00000001 n 0000 | g\n\
            00000003 03 n 01 seat 0 001 @ 00000002 n 0000 | g\n\
            00000004 03 n 02 chair 0 armchair 0 002 @ 00000003 n 0000 ~ 00000005 n 0000 | g\n\
            00000005 03 n 01 sofa 0 001 @ 00000003 n 0000 | g\n\
            00000006 03 n 01 dog 0 001 @ 00000002 n 0000 | g\n\
            00000007 03 n 01 idea 0 001 @ 00000001 n 0000 | g\n\
            00000008 03 n 01 chair 1 001 @ 00000007 n 0000 | g\n";
        let index = "  1 licence\n\
            chair n 2 2 @ ~ 2 0 00000004 00000008\nsofa n 1 1 @ 1 0 00000005\ndog n 1 1 @ 1 0 00000006\nidea n 1 1 @ 1 0 00000007\n\
            goose n 1 0 1 0 00000006\n";
        std::fs::write(folder.path().join("data.noun"), data).unwrap();
        std::fs::write(folder.path().join("index.noun"), index).unwrap();
        std::fs::write(folder.path().join("noun.exc"), "geese goose\n").unwrap();
        WordNet::read(folder.path()).unwrap()
    }

    #[test]
    fn similarities_are_wu_and_palmers() {
        let net = net();
        let near = |a: &str, b: &str, expected: f64| {
            let found = net.similarity_of_words(a, b);
            assert!((found - expected).abs() < 1e-12, "{a} {b}: {found}");
        };
        // By hand, the root's depth 1: seat has 3, thing 2; paths of one step each from chair and sofa to seat.
        near("chair", "sofa", 2.0 * 3.0 / (4.0 + 4.0));
        near("sofa", "dog", 2.0 * 2.0 / (4.0 + 3.0));
        // The second meaning of chair lies right under idea.
        near("chair", "idea", 2.0 * 2.0 / (3.0 + 2.0));
        near("chairs", "sofa", 0.75);
        near("geese", "dog", 1.0);
        near("chair", "xyz", 0.0);
        near("xyz", "xyz", 1.0);
    }

    #[test]
    fn sets_of_words_count_by_their_worst() {
        let net = net();
        assert!((wups(&net, "sofa", "chair", 0.0) - 0.75).abs() < 1e-12);
        assert!((wups(&net, "sofa", "chair", 0.9) - 0.075).abs() < 1e-12);
        assert_eq!(wups(&net, "chair, sofa", "sofa, chair", 0.9), 1.0);
        // The dog among the true ones has no better match than a sofa.
        let expected = 4.0 / 7.0;
        assert!((wups(&net, "sofa", "sofa, dog", 0.0) - expected).abs() < 1e-12);
        assert!(word_set("a, b") == word_set("b,a") && word_set("a") != word_set("a, b"));
    }

    #[test]
    fn a_file_that_is_none_of_wordnets_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data.noun"), "00000001 03 n 01 entity 0 000 | all\nnonsense\n").unwrap();
        let error = WordNet::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("data.noun") && error.contains("line 2") && error.contains("nonsense"), "{error}");
        let read = |data: &str, index: &str| {
            std::fs::write(folder.path().join("data.noun"), data).unwrap();
            std::fs::write(folder.path().join("index.noun"), index).unwrap();
            WordNet::read(folder.path()).map_err(|e| e.to_string())
        };
        // Counts that are none, meanings in a circle.
        assert!(read("00000001 03 n ffffffffffffffff entity 0 000 | all\n", "").is_err());
        let root = "00000001 03 n 01 entity 0 000 | all\n";
        assert!(read(root, "chair n 1 18446744073709551615 @ 1 0 00000001\n").is_err());
        let circle = "00000002 03 n 01 a 0 001 @ 00000003 n 0000 | g\n00000003 03 n 01 b 0 001 @ 00000002 n 0000 | g\n";
        let error = read(circle, "").unwrap_err();
        assert!(error.contains("synset 00000002") && error.contains("circle"), "{error}");
        // A ladder of diamonds has 2^60 ways to its foot.
        let rung = |k: usize| {
            let wider = if k < 3 { String::new() } else { format!("@ {:08} n 0000 @ {:08} n 0000 ", k - 2, k - 1) };
            let (one, two, count) = (k, k + 1, if k < 3 { 0 } else { 2 });
            format!(
                "{one:08} 03 n 01 w{one} 0 {count:03} {wider}| g\n{two:08} 03 n 01 w{two} 0 {count:03} {wider}| g\n"
            )
        };
        let ladder: String = (0..60).map(|step| rung(2 * step + 1)).collect();
        let net = read(&ladder, "x n 1 0 1 0 00000119\ny n 1 0 1 0 00000120\n").unwrap();
        assert!(net.similarity_of_words("x", "y") > 0.9);
    }
}
