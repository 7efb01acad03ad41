//! Weights that a network starts from instead of random ones: those of another run, of another task maybe.

use std::collections::HashMap;
use std::path::Path;

use crate::checkpoint::load_tensors;
use crate::retrain::{FEATURE_MEAN, FEATURE_STD, NETWORK, TOKENIZER};
use crate::{FeatureNorm, Network, Result, TensorMap};
use mmnas_bundle::Vocabulary;

/// The weights of a retraining and its words.
#[derive(Debug)]
pub struct InitialWeights {
    tensors: TensorMap,
    words: HashMap<String, i64>,
}

/// The parameter whose rows belong to words.
const EMBEDDING: &str = "embedding.weight";

impl InitialWeights {
    /// The file of a run's folder that holds the weights.
    pub(crate) const FILE: &str = NETWORK;

    /// Reads those that the retraining in `run` has kept.
    pub fn read(run: &Path) -> Result<InitialWeights> {
        let (tensors, _) = load_tensors(&run.join(NETWORK))?;
        let file = run.join(TOKENIZER);
        let text = std::fs::read_to_string(&file).map_err(mmnas_bundle::Error::io(&file, "read"))?;
        let vocabulary = Vocabulary::from_tokenizer_json(&text, &file)?;
        let words = vocabulary.words().into_iter().map(str::to_owned).zip(0..).collect();
        Ok(InitialWeights { tensors, words })
    }

    /// Copies what fits into `network`, whose words are `words`: parameters of the same name and shape, of the embedding the
    /// rows of the words that both know, and how features are standardised. The others stay as they are. Returns the number
    /// of parameters that were copied, in tensors.
    pub fn start(&self, network: &mut Network, words: &[&str]) -> Result<usize> {
        let _guard = tch::no_grad_guard();
        let mut copied = 0;
        for (name, parameter) in network.parameters() {
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
        let width = network.dimensions().feature as i64;
        let norm = |name: &str| Some(self.tensors.get(name).filter(|t| t.size() == [width])?.shallow_clone());
        if let (Some(mean), Some(std)) = (norm(FEATURE_MEAN), norm(FEATURE_STD)) {
            network.set_feature_norm(Some(FeatureNorm { mean, std }));
        }
        Ok(copied)
    }
}
