//! What the folders of bundles and of vision stages have in common.
//!
//! Both have a description in JSON with a format version, and files that it records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::file_record::{FileRecord, sha256_hex};
use crate::files::{inside, read_text};
use crate::manifest::stage::{Graph, Stage};
use crate::manifest::vision::Vision;

const MAX_DESCRIPTION_BYTES: u64 = 16 << 20;

/// Reads the description `file_name` of `folder`; gives its path and its text.
pub(crate) fn read_description(folder: &Path, file_name: &str) -> Result<(PathBuf, String)> {
    let meta = folder.metadata().map_err(Error::io(folder, "read"))?;
    if !meta.is_dir() {
        return Err(Error::invalid(folder, "(bundle)", "a folder", "a file"));
    }
    let file = folder.join(file_name);
    let text = read_text(&file, MAX_DESCRIPTION_BYTES)?;
    Ok((file, text))
}

/// The files of a stage's graphs.
pub(crate) fn graph_files(stage: &Stage) -> impl Iterator<Item = &str> {
    stage.graphs.iter().flat_map(Graph::files)
}

/// The record of the file `name`.
pub(crate) fn record<'a>(
    files: &'a BTreeMap<String, FileRecord>,
    name: &str,
    description: &Path,
) -> Result<&'a FileRecord> {
    files.get(name).ok_or_else(|| Error::invalid(description, "files", format!("a record of {name:?}"), "none"))
}

/// Which features a vision stage gives: the SHA-256 of its first graph.
///
/// Where there is a detector, that of the graph's and the detector's one after the other in hexadecimal.
pub(crate) fn vision_sha256(
    vision: &Vision,
    files: &BTreeMap<String, FileRecord>,
    description: &Path,
) -> Result<String> {
    let hash = |name: &str| Ok::<_, Error>(record(files, name, description)?.sha256.clone());
    let graph = hash(graph_files(&vision.stage).next().unwrap_or_default())?;
    match vision.regions.detector() {
        None => Ok(graph),
        Some(detector) => Ok(sha256_hex((graph + &hash(&detector.graph)?).as_bytes())),
    }
}

/// Checks that all recorded files lie inside the folder with their lengths.
///
/// So what is missing is found now and not in the middle of a call.
pub(crate) fn check_files(folder: &Path, files: &BTreeMap<String, FileRecord>, description: &Path) -> Result<()> {
    for (name, record) in files {
        let path = inside(folder, name, description, "files")?;
        let found = path.metadata().map_err(Error::io(&path, "read"))?.len();
        if found != record.bytes {
            return Err(Error::invalid(&path, "(length)", format!("{} bytes", record.bytes), format!("{found} bytes")));
        }
    }
    Ok(())
}
