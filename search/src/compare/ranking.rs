//! Ranking quality of a supernet.
//!
//! It compares the accuracy of architectures with the shared weights to their accuracy when trained
//! alone.

use serde::{Deserialize, Deserializer, Serialize};

/// Scores of some architectures of the space, on the validation part, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The contender whose search trained the supernet; empty in records of before it was noted.
    #[serde(default)]
    pub contender: String,
    /// The seed.
    #[serde(default)]
    pub seed: u64,
    /// The architectures, drawn at random; within a time limit they take nearly all of it.
    pub architectures: Vec<String>,
    /// Scores with the supernet's shared weights.
    pub shared: Vec<f64>,
    /// Scores when trained from scratch.
    pub alone: Vec<f64>,
    /// Kendall's tau-b of the two.
    pub kendall_tau: f64,
    /// Spearman's rho of the two.
    pub spearman_rho: f64,
}

/// Reads a list of rankings, or the one that earlier records held.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ranking>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<Ranking>),
        One(Ranking),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(rankings) => rankings,
        OneOrMany::One(ranking) => vec![ranking],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Record {
        #[serde(default, alias = "ranking", deserialize_with = "one_or_many")]
        rankings: Vec<Ranking>,
    }

    #[test]
    fn one_ranking_of_an_earlier_record_is_read() {
        let one =
            r#"{"architectures": ["a"], "shared": [0.5], "alone": [0.25], "kendall_tau": 0.0, "spearman_rho": 0.0}"#;
        let read = |text: String| serde_json::from_str::<Record>(&text).unwrap().rankings;
        assert_eq!(read(format!(r#"{{"ranking": {one}}}"#)), read(format!(r#"{{"rankings": [{one}]}}"#)));
        assert!(read("{}".to_owned()).is_empty());
    }
}
