//! Weights that a network starts from instead of random ones.
//!
//! They come from another run, whose task may differ.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::Vocabulary;

use crate::error::{Error, Result};
use crate::model::network::{FeatureNorm, Network};
use crate::nn::tensors::{TensorMap, load_tensors};
use crate::run::files::{FEATURE_MEAN, FEATURE_STD, NETWORK, RECORD, TOKENIZER};
use crate::run::folder::NetworkRecord;

/// The weights of a retraining and the words of its embedding.
#[derive(Debug)]
pub struct InitialWeights {
    file: PathBuf,
    tensors: TensorMap,
    words: HashMap<String, i64>,
}

/// The parameter with one row a word.
const EMBEDDING: &str = "embedding.weight";

impl InitialWeights {
    /// The files of a run's folder that are read.
    ///
    /// They hold the weights, and the words of the embedding's rows.
    pub(crate) const FILES: [&str; 2] = [NETWORK, TOKENIZER];

    /// Reads the weights that the retraining in `run` has kept.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if a file cannot be read or the tokenizer does not parse.
    /// [`Error::Checkpoint`] if the weights are no valid safetensors file.
    pub fn read(run: &Path) -> Result<InitialWeights> {
        let weights = run.join(NETWORK);
        let (tensors, _) = load_tensors(&weights)?;
        let file = run.join(TOKENIZER);
        let text = mmnas_bundle::read_text_file(&file)?;
        let vocabulary = Vocabulary::from_tokenizer_json(&text, &file)?;
        let words = vocabulary.words().into_iter().map(str::to_owned).zip(0..).collect();
        Ok(InitialWeights { file: weights, tensors, words })
    }

    /// Checks that the retraining in `run` read the same features, if of the same width.
    ///
    /// Other features of the same width have as many numbers, which mean other things. Weights for
    /// features of another width do not fit and are not copied.
    pub(crate) fn check_features(run: &Path, feature: usize, vision_sha256: &str) -> Result<()> {
        let file = run.join(RECORD);
        let record: NetworkRecord = mmnas_bundle::read_json_file(&file)?;
        if record.dimensions.feature == feature && record.vision_sha256 != vision_sha256 {
            return Err(Error::Checkpoint {
                file,
                field: "vision_sha256".to_owned(),
                expected: format!("{vision_sha256}, the features of this run (--any-features takes others)"),
                found: record.vision_sha256,
            });
        }
        Ok(())
    }

    /// Copies the weights that fit into `network`, whose words are `words`.
    ///
    /// - Parameters of the same name and shape.
    /// - Of the embedding, the rows of the words that both know.
    /// - The mean and deviation of features, if the network standardises features.
    ///
    /// The others stay as they are. It returns the number of parameters that were copied, in
    /// tensors.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if no parameter was copied.
    pub fn start(&self, network: &mut Network, words: &[&str]) -> Result<usize> {
        let _guard = tch::no_grad_guard();
        let mut copied = 0;
        for (name, parameter) in network.parameters() {
            // Computed from the data at hand, for their words and features.
            if network.is_fixed(name) {
                continue;
            }
            let Some(from) = self.tensors.get(name).map(|from| from.to_device(parameter.device())) else { continue };
            if name == EMBEDDING && from.size().get(1) == parameter.size().get(1) {
                for (word, row) in words.iter().zip(0..) {
                    if let Some(&known) = self.words.get(*word).filter(|known| **known < from.size()[0]) {
                        parameter.get(row).copy_(&from.get(known));
                    }
                }
                copied += 1;
            } else if name != EMBEDDING && from.size() == parameter.size() {
                parameter.shallow_clone().copy_(&from);
                copied += 1;
            }
        }
        if copied == 0 {
            let found = "none of that name and shape".to_owned();
            let (field, expected) = ("parameters".to_owned(), "some of the network's".to_owned());
            return Err(Error::Checkpoint { file: self.file.clone(), field, expected, found });
        }
        if network.feature_norm().is_none() {
            return Ok(copied);
        }
        let width = network.dimensions().feature as i64;
        let norm = |name: &str| Some(self.tensors.get(name).filter(|t| t.size() == [width])?.shallow_clone());
        if let (Some(mean), Some(std)) = (norm(FEATURE_MEAN), norm(FEATURE_STD)) {
            network.set_feature_norm(Some(FeatureNorm { mean, std }));
        }
        Ok(copied)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::Architecture;
    use mmnas_bundle::manifest::{Dimensions, Provenance};

    use super::*;

    #[test]
    fn weights_for_features_of_another_vision_stage_are_refused_where_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        let architecture = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"]]}}"#;
        let dimensions = r#"{"hidden": 64, "feature": 512, "embedding": 16, "vocabulary": 9, "outputs": 1, "attflat": 32,
            "head": 64, "relation": 16}"#;
        let record = NetworkRecord {
            task: "vqa".to_owned(),
            architecture: Architecture::from_published_json(architecture, Path::new("a")).unwrap(),
            dimensions: serde_json::from_str::<Dimensions>(dimensions).unwrap(),
            max_tokens: 14,
            parameters: 1,
            validation: 0.5,
            vision_sha256: "0a".to_owned(),
            provenance: Provenance::default(),
        };
        std::fs::write(folder.path().join(RECORD), serde_json::to_string(&record).unwrap()).unwrap();
        let check = |feature, sha256| InitialWeights::check_features(folder.path(), feature, sha256);
        assert!(check(512, "0a").is_ok() && check(197, "0b").is_ok());
        let error = check(512, "0b").unwrap_err().to_string();
        assert!(error.contains("network.json: vision_sha256: expected 0b") && error.ends_with("found 0a"), "{error}");
        assert!(error.contains("--any-features"), "{error}");
    }
}
