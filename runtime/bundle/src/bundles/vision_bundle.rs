//! The folder of a vision stage that stands alone.

use std::path::{Path, PathBuf};

use crate::bundles::folder::{check_files, read_description, record, vision_sha256};
use crate::error::Result;
use crate::files::{MAX_FILE_BYTES, inside};
use crate::manifest::format::{VISION, VISION_FORMAT, parse};
use crate::manifest::vision::{Vision, VisionManifest};

/// The folder of a vision stage that stands alone, checked.
#[derive(Debug, Clone)]
pub struct VisionBundle {
    folder: PathBuf,
    manifest: VisionManifest,
}

impl VisionBundle {
    /// Reads and checks `vision.json`.
    ///
    /// # Errors
    /// A description that cannot be read, is damaged or of a later major version; a file that is missing.
    pub fn open(folder: &Path) -> Result<VisionBundle> {
        let (file, text) = read_description(folder, VISION)?;
        let manifest: VisionManifest = parse(&text, &file, VISION_FORMAT)?;
        manifest.vision.check(&file)?;
        for name in manifest.vision.files().chain([manifest.golden.as_str()]) {
            record(&manifest.files, name, &file)?;
        }
        check_files(folder, &manifest.files, &file)?;
        Ok(VisionBundle { folder: folder.to_path_buf(), manifest })
    }

    /// The file of the description, for errors.
    pub fn file(&self) -> PathBuf {
        self.folder.join(VISION)
    }

    /// The stage.
    pub fn vision(&self) -> &Vision {
        &self.manifest.vision
    }

    /// The description.
    pub fn manifest(&self) -> &VisionManifest {
        &self.manifest
    }

    /// Which features the stage gives: the SHA-256 of its first graph.
    ///
    /// Where there is a detector, that of the graph's and the detector's one after the other in hexadecimal.
    ///
    /// # Errors
    /// A graph without a record, which [`VisionBundle::open`] refuses.
    pub fn graph_sha256(&self) -> Result<String> {
        vision_sha256(self.vision(), &self.manifest.files, &self.folder.join(VISION))
    }

    /// Reads a file of the folder and checks it.
    ///
    /// # Errors
    /// A file without a record, or one that is missing or damaged.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.folder.join(VISION);
        let record = record(&self.manifest.files, name, &file)?;
        record.read_checked(&inside(&self.folder, name, &file, "files")?, true, MAX_FILE_BYTES)
    }
}
