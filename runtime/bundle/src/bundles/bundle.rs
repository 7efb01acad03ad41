//! A bundle, in a folder or in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::bundles::folder::{check_files, graph_files, read_description, record, vision_sha256};
use crate::error::{Error, Result};
use crate::files::{MAX_FILE_BYTES, MAX_TEXT_FILE_BYTES, inside};
use crate::manifest::Manifest;
use crate::manifest::format::MANIFEST;
use crate::manifest::vision::Vision;
use crate::text::encoder::TextEncoder;

/// The files of a bundle in memory: name → content, the manifest among them.
pub type BundleFiles<'a> = BTreeMap<String, Cow<'a, [u8]>>;

/// What the folder of a bundle in memory is called in errors.
const IN_MEMORY: &str = "(memory)";

/// A bundle with its manifest, checked: a folder, or files in memory.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    folder: PathBuf,
    files: Option<BundleFiles<'a>>,
    manifest: Manifest,
    check_hashes: bool,
}

impl<'a> Bundle<'a> {
    /// Reads and checks the manifest; the other files are checked when they are read.
    ///
    /// Without `check_hashes` only their lengths are compared.
    ///
    /// # Errors
    /// A manifest that cannot be read, is damaged or of a later major version; a file that is missing or has another length.
    pub fn open(folder: &Path, check_hashes: bool) -> Result<Bundle<'static>> {
        let (file, text) = read_description(folder, MANIFEST)?;
        let manifest = Bundle::checked_manifest(&text, &file)?;
        check_files(folder, &manifest.files, &file)?;
        Ok(Bundle { folder: folder.to_path_buf(), files: None, manifest, check_hashes })
    }

    /// As [`Bundle::open`], for a bundle whose files are in memory.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn from_files(files: BundleFiles<'a>, check_hashes: bool) -> Result<Bundle<'a>> {
        let folder = PathBuf::from(IN_MEMORY);
        let file = folder.join(MANIFEST);
        let missing = |name: &str| Error::invalid(&folder, name, "a file of the bundle", "none");
        let text = std::str::from_utf8(files.get(MANIFEST).ok_or_else(|| missing(MANIFEST))?);
        let text =
            text.map_err(|e| Error::invalid(&file, "(text)", "UTF-8", format!("another byte at {}", e.valid_up_to())))?;
        let manifest = Bundle::checked_manifest(text, &file)?;
        for (name, record) in &manifest.files {
            record.check_content(&folder.join(name), files.get(name).ok_or_else(|| missing(name))?, false)?;
        }
        Ok(Bundle { folder, files: Some(files), manifest, check_hashes })
    }

    /// The manifest of `text`, with a record of every file that it refers to.
    fn checked_manifest(text: &str, file: &Path) -> Result<Manifest> {
        let manifest = Manifest::from_json(text, file)?;
        let mut referenced = BTreeSet::from([manifest.text.tokenizer.as_str()]);
        referenced.extend(manifest.labels.as_deref());
        referenced.extend(manifest.golden.as_deref());
        referenced.extend(manifest.fields().flat_map(|(_, stage)| graph_files(stage)));
        referenced.extend(manifest.vision.iter().flat_map(|vision| vision.files()));
        for name in referenced {
            record(&manifest.files, name, file)?;
        }
        Ok(manifest)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which features the bundle's vision stage gives, if it has one.
    ///
    /// As [`VisionBundle::graph_sha256`](crate::VisionBundle::graph_sha256) of the stage alone.
    ///
    /// # Errors
    /// A graph without a record, which [`Bundle::open`] refuses.
    pub fn vision_sha256(&self) -> Result<Option<String>> {
        let hash = |vision: &Vision| vision_sha256(vision, &self.manifest.files, &self.folder.join(MANIFEST));
        self.manifest.vision.as_ref().map(hash).transpose()
    }

    /// Which features the network reads, if known.
    ///
    /// They are those of its vision stage, else those that it was trained on. Compare with
    /// [`FeatureStore::vision_sha256`](crate::FeatureStore::vision_sha256).
    ///
    /// # Errors
    /// As [`Bundle::vision_sha256`].
    pub fn features_sha256(&self) -> Result<Option<String>> {
        Ok(self.vision_sha256()?.or_else(|| self.manifest.features_sha256.clone()))
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
    ///
    /// # Errors
    /// A name that leaves the folder.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        inside(&self.folder, name, &self.folder.join(MANIFEST), "files")
    }

    /// Reads a file that the manifest records, and checks it.
    ///
    /// # Errors
    /// A file without a record, or one that is missing, damaged or too large.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.read_limited(name, MAX_FILE_BYTES)
    }

    /// Checks a recorded file without holding it; returns its path.
    ///
    /// Weights that lie beside a graph may be larger than memory.
    ///
    /// # Errors
    /// A file without a record, or one that is missing or damaged.
    pub fn check_file(&self, name: &str) -> Result<PathBuf> {
        let manifest = self.folder.join(MANIFEST);
        let record = record(&self.manifest.files, name, &manifest)?;
        let path = inside(&self.folder, name, &manifest, "files")?;
        match self.in_memory(name) {
            Some(content) => record.check_content(&path, content, self.check_hashes)?,
            None => record.check_file(&path, self.check_hashes)?,
        }
        Ok(path)
    }

    fn read_limited(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let manifest = self.folder.join(MANIFEST);
        let record = record(&self.manifest.files, name, &manifest)?;
        let path = inside(&self.folder, name, &manifest, "files")?;
        let Some(content) = self.in_memory(name) else { return record.read_checked(&path, self.check_hashes, limit) };
        record.check_content(&path, content, self.check_hashes)?;
        Ok(content.to_vec())
    }

    /// The content of a file, where the bundle is in memory.
    pub fn in_memory(&self, name: &str) -> Option<&[u8]> {
        Some(self.files.as_ref()?.get(name)?)
    }

    /// The bundle without the files in memory that it was opened from.
    pub fn without_files(self) -> Bundle<'static> {
        Bundle { folder: self.folder, files: None, manifest: self.manifest, check_hashes: self.check_hashes }
    }

    /// Reads the answers; their number is checked against the head.
    ///
    /// # Errors
    /// A bundle without answers; a damaged file; another number than the head has outputs.
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
    ///
    /// # Errors
    /// A damaged file; ids that the embedding does not have.
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
