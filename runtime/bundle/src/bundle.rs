use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::{MAX_FILE_BYTES, MAX_TEXT_FILE_BYTES, inside};
use crate::folder::{check_files, graph_files, read_description, record};
use crate::manifest::{MANIFEST, Manifest};
use crate::{Error, Result, TextEncoder};

/// A bundle's folder with its manifest, checked.
#[derive(Debug, Clone)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    check_hashes: bool,
}

impl Bundle {
    /// Reads and checks the manifest; the other files are checked when they are read. Without `check_hashes` only their
    /// lengths are compared.
    pub fn open(folder: &Path, check_hashes: bool) -> Result<Bundle> {
        let (file, text) = read_description(folder, MANIFEST)?;
        let manifest = Manifest::from_json(&text, &file)?;
        let mut referenced = BTreeSet::from([manifest.text.tokenizer.as_str()]);
        referenced.extend(manifest.labels.as_deref());
        referenced.extend(manifest.golden.as_deref());
        referenced.extend(manifest.fields().flat_map(|(_, stage)| graph_files(stage)));
        for name in referenced {
            record(&manifest.files, name, &file)?;
        }
        check_files(folder, &manifest.files, &file)?;
        Ok(Bundle { folder: folder.to_path_buf(), manifest, check_hashes })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bundle's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bundle's size in bytes, without the manifest.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Where the bundle's file `name` lies.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        inside(&self.folder, name, &self.folder.join(MANIFEST), "files")
    }

    /// Reads a file that the manifest records, and checks it.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.read_limited(name, MAX_FILE_BYTES)
    }

    /// Checks a file that the manifest records without holding it: weights that lie beside a graph may be larger than memory.
    /// Gives its path.
    pub fn check_file(&self, name: &str) -> Result<PathBuf> {
        let manifest = self.folder.join(MANIFEST);
        let record = record(&self.manifest.files, name, &manifest)?;
        let path = inside(&self.folder, name, &manifest, "files")?;
        record.check_file(&path, self.check_hashes)?;
        Ok(path)
    }

    fn read_limited(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let manifest = self.folder.join(MANIFEST);
        let record = record(&self.manifest.files, name, &manifest)?;
        record.read_checked(&inside(&self.folder, name, &manifest, "files")?, self.check_hashes, limit)
    }

    /// Reads the answers; their number is checked against the head.
    pub fn labels(&self) -> Result<Vec<String>> {
        let Some(name) = &self.manifest.labels else {
            return Err(Error::invalid(self.folder.join(MANIFEST), "labels", "a file name", "none"));
        };
        let file = self.folder.join(name);
        let content = self.read_limited(name, MAX_TEXT_FILE_BYTES)?;
        let labels: Vec<String> = serde_json::from_slice(&content).map_err(|e| Error::json(&file, &e))?;
        let expected = self.manifest.dimensions.outputs;
        if labels.len() != expected {
            return Err(Error::invalid(&file, "(list)", format!("{expected} answers"), labels.len()));
        }
        Ok(labels)
    }

    /// Reads the tokenizer; its ids are checked against the embedding.
    pub fn text_encoder(&self) -> Result<TextEncoder> {
        let name = &self.manifest.text.tokenizer;
        let file = self.folder.join(name);
        let text = String::from_utf8(self.read_limited(name, MAX_TEXT_FILE_BYTES)?)
            .map_err(|_| Error::invalid(&file, "(text)", "UTF-8", "other bytes"))?;
        let encoder = TextEncoder::from_json(&text, &file)?;
        let (limit, found) = (self.manifest.dimensions.vocabulary, encoder.vocabulary_size());
        if found > limit {
            return Err(Error::invalid(
                &file,
                "model.vocab",
                format!("ids below {limit}"),
                format!("an id of {}", found - 1),
            ));
        }
        Ok(encoder)
    }
}
