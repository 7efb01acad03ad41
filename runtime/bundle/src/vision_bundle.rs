use std::path::{Path, PathBuf};

use crate::Result;
use crate::files::{MAX_FILE_BYTES, inside};
use crate::folder::{check_files, graph_files, parse, read_description, record};
use crate::manifest::{VISION, VISION_FORMAT, Vision, VisionManifest};

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
        for name in graph_files(&manifest.vision.stage).chain([manifest.golden.as_str()]) {
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

    /// SHA-256 of the stage's first graph: which features it gives.
    pub fn graph_sha256(&self) -> Result<&str> {
        let file = self.folder.join(VISION);
        let mut graphs = graph_files(&self.vision().stage);
        Ok(&record(&self.manifest.files, graphs.next().unwrap_or_default(), &file)?.sha256)
    }

    /// Reads a file of the folder and checks it.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.folder.join(VISION);
        let record = record(&self.manifest.files, name, &file)?;
        record.read_checked(&inside(&self.folder, name, &file, "files")?, true, MAX_FILE_BYTES)
    }
}
