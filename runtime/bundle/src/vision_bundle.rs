use std::path::{Path, PathBuf};

use crate::files::{MAX_FILE_BYTES, inside, sha256_hex};
use crate::folder::{check_files, graph_files, parse, read_description, record};
use crate::manifest::{VISION, VISION_FORMAT, Vision, VisionManifest};
use crate::{Error, Result};

/// The folder of a vision stage that stands alone, checked.
#[derive(Debug, Clone)]
pub struct VisionBundle {
    folder: PathBuf,
    manifest: VisionManifest,
}

impl VisionBundle {
    /// Reads and checks `vision.json`.
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

    /// The stage.
    pub fn vision(&self) -> &Vision {
        &self.manifest.vision
    }

    /// The description.
    pub fn manifest(&self) -> &VisionManifest {
        &self.manifest
    }

    /// Which features the stage gives: the SHA-256 of its first graph; where there is a detector, that of the graph's and
    /// the detector's one after the other in hexadecimal.
    pub fn graph_sha256(&self) -> Result<String> {
        let file = self.folder.join(VISION);
        let hash = |name: &str| Ok::<_, Error>(record(&self.manifest.files, name, &file)?.sha256.clone());
        let graph = hash(graph_files(&self.vision().stage).next().unwrap_or_default())?;
        match self.vision().regions.detector() {
            None => Ok(graph),
            Some(detector) => Ok(sha256_hex((graph + &hash(&detector.graph)?).as_bytes())),
        }
    }

    /// Reads a file of the folder and checks it.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.folder.join(VISION);
        let record = record(&self.manifest.files, name, &file)?;
        record.read_checked(&inside(&self.folder, name, &file, "files")?, true, MAX_FILE_BYTES)
    }
}
