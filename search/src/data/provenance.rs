//! What a data set is made of: names and hashes for records, and to tell runs apart.

use std::collections::BTreeMap;

use mmnas_bundle::{Architecture, sha256_hex};

use crate::data::dataset::ImageTextData;
use crate::run::folder::RunInputs;

impl ImageTextData {
    /// Name and SHA-256 of every file but the features.
    ///
    /// Of files of one name the later ones are numbered.
    pub fn provenance(&self) -> BTreeMap<String, String> {
        let mut named = BTreeMap::new();
        for file in &self.files {
            let mut name = file.name.clone();
            let mut number = 1;
            while named.contains_key(&name) {
                number += 1;
                name = format!("{} ({number})", file.name);
            }
            named.insert(name, file.sha256.clone());
        }
        named
    }

    /// The inputs of a run on this data, to tell it from others.
    ///
    /// `architecture` is the one that is trained.
    pub fn run_inputs(&self, task: &str, architecture: Option<&Architecture>) -> RunInputs {
        RunInputs {
            task: task.to_owned(),
            samples_sha256: self.sha256(),
            vision_sha256: self.vision_sha256().to_owned(),
            features_sha256: self.features_sha256.clone(),
            architecture: architecture.cloned(),
            latency_sha256: None,
        }
    }

    /// The hash of the file of samples.
    ///
    /// Of several files, or where samples were left out, it is one over all of it.
    fn sha256(&self) -> String {
        if let ([only], 0) = (self.files.as_slice(), self.broken.count) {
            return only.sha256.clone();
        }
        let lines = self.files.iter().map(|file| format!("{} {}\n", file.role, file.sha256));
        let left_out = format!("left out {}\n", self.broken.count);
        sha256_hex(lines.chain([left_out]).collect::<String>().as_bytes())
    }
}
