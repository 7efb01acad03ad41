//! The files that a data set is read from.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{Broken, Flaw, Reading, Sample, SampleFile};
use mmnas_bundle::{Error as BundleError, Vocabulary, read_text_file, sha256_hex, sha256_of_file};

use crate::data::labels;
use crate::error::Result;
use crate::run::warm_start::InitialWeights;

/// The files that a task's data is read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFiles {
    /// Samples, JSON lines: one or more files, read one after the other.
    pub samples: Vec<PathBuf>,
    /// Samples to validate on; without it the validation part is cut from `samples`.
    pub validation: Option<PathBuf>,
    /// Packed features: one or more folders.
    ///
    /// They have one feature width and one vision graph. Each image is in one of them.
    pub features: Vec<PathBuf>,
    /// A tokenizers file whose words and text rule are taken.
    ///
    /// Without it words get ids by first appearance.
    pub tokenizer: Option<PathBuf>,
    /// The answers of VQA in the order of the logits, a JSON array.
    ///
    /// Without it they are the frequent answers by first appearance.
    pub labels: Option<PathBuf>,
    /// Vectors that the words start with: GloVe's text or wink's JSON.
    pub word_vectors: Option<PathBuf>,
    /// Folder of a retraining whose weights a network starts from.
    ///
    /// It takes them as far as they fit.
    pub initial: Option<PathBuf>,
    /// Whether to take initial weights of another vision stage's features, too.
    pub any_features: bool,
    /// Whether to leave out and count broken samples.
    ///
    /// Broken are lines that do not parse, images without features, texts without a word, and boxes
    /// that are none. Otherwise the first is an error.
    pub skip_broken: bool,
}

/// The samples of all files in order, those of the validation file last.
#[derive(Debug)]
pub(crate) struct Samples<S> {
    pub samples: Vec<S>,
    /// Number of samples that are not of the validation file.
    pub training: usize,
    pub broken: Broken,
}

/// Name and hash of one of the files.
#[derive(Debug, Clone)]
pub(crate) struct HashedFile {
    /// Role of the file.
    pub role: &'static str,
    /// Its name without folders.
    pub name: String,
    pub sha256: String,
}

impl HashedFile {
    pub(crate) fn new(role: &'static str, file: &Path) -> Result<HashedFile> {
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(HashedFile { role, name, sha256: sha256_of_file(file)? })
    }
}

impl DataFiles {
    /// One file of samples and one folder of features, nothing else.
    pub fn new(samples: impl Into<PathBuf>, features: impl Into<PathBuf>) -> DataFiles {
        DataFiles { samples: vec![samples.into()], features: vec![features.into()], ..DataFiles::default() }
    }

    /// The words of [`DataFiles::tokenizer`], where there is one.
    pub(crate) fn vocabulary(&self) -> Result<Option<Vocabulary>> {
        let parse = |file: &PathBuf| Ok(Vocabulary::from_tokenizer_json(&read_text_file(file)?, file)?);
        self.tokenizer.as_ref().map(parse).transpose()
    }

    /// The answers of [`DataFiles::labels`], where there is one: at least one, each once.
    pub(crate) fn read_labels(&self) -> Result<Option<Vec<String>>> {
        self.labels.as_deref().map(labels::read).transpose()
    }

    /// The hash for [`RunInputs::features_sha256`](crate::run::folder::RunInputs::features_sha256).
    pub(crate) fn features_sha256(&self) -> Result<String> {
        let indices = self.features.iter().map(|folder| sha256_of_file(&folder.join("features.json")));
        let hashes = indices.collect::<mmnas_bundle::Result<Vec<String>>>()?;
        Ok(if let [only] = hashes.as_slice() { only.clone() } else { sha256_hex(hashes.join("\n").as_bytes()) })
    }

    /// Names and hashes of all files but the features.
    pub(crate) fn hashes(&self) -> Result<Vec<HashedFile>> {
        let initial = InitialWeights::FILES.map(|name| self.initial.as_ref().map(|run| run.join(name)));
        let others = [
            ("validation", &self.validation),
            ("tokenizer", &self.tokenizer),
            ("labels", &self.labels),
            ("word vectors", &self.word_vectors),
            ("initial weights", &initial[0]),
            ("initial words", &initial[1]),
        ];
        let others = others.into_iter().filter_map(|(role, file)| Some((role, file.as_ref()?)));
        self.samples
            .iter()
            .map(|file| ("samples", file))
            .chain(others)
            .map(|(role, file)| HashedFile::new(role, file))
            .collect()
    }

    /// Reads the samples of all files, in order.
    ///
    /// `accept` says what is wrong with a sample that is well-formed by itself. An image of the
    /// validation file that other samples have too is an error.
    pub(crate) fn read<S: Sample>(
        &self,
        mut accept: impl FnMut(&S) -> mmnas_bundle::Result<Option<Flaw>>,
    ) -> Result<Samples<S>> {
        let mut read = Samples { samples: Vec::new(), training: 0, broken: Broken::default() };
        let files =
            self.samples.iter().map(|file| (file, true)).chain(self.validation.iter().map(|file| (file, false)));
        for (file, trains) in files {
            let reading = Reading { skip_broken: self.skip_broken, limit: None };
            let found = SampleFile::read(file, reading, &mut accept)?;
            read.samples.extend(found.samples);
            read.broken.add_all(found.broken);
            if trains {
                read.training = read.samples.len();
            }
        }
        self.check_leak(&read)?;
        Ok(read)
    }

    fn check_leak<S: Sample>(&self, read: &Samples<S>) -> Result<()> {
        let Some(validation) = &self.validation else { return Ok(()) };
        let (training, validating) = read.samples.split_at(read.training);
        let training: HashSet<&str> = training.iter().map(Sample::image).collect();
        match validating.iter().find(|sample| training.contains(sample.image())) {
            Some(leak) => {
                let found = format!("{:?}, which other samples have too", leak.image());
                Err(BundleError::invalid(validation, "image", "images of the validation file alone", found).into())
            }
            None => Ok(()),
        }
    }
}
