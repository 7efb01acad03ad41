//! The files of a new folder and their records.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::{FileRecord, NewFolder, write_atomically};
use serde::Serialize;

use crate::error::Result;
use crate::onnx::model::BuiltGraph;

/// Writes the files of a new folder and keeps their records for its description.
#[derive(Debug)]
pub(crate) struct FolderWriter {
    folder: NewFolder,
    files: BTreeMap<String, FileRecord>,
}

impl FolderWriter {
    /// Starts the folder `out`, which appears when it is finished.
    pub(crate) fn create(out: &Path) -> Result<FolderWriter> {
        Ok(FolderWriter { folder: NewFolder::create(out)?, files: BTreeMap::new() })
    }

    /// Where the folder lies until it is finished.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was written so far.
    pub(crate) fn files(&self) -> &BTreeMap<String, FileRecord> {
        &self.files
    }

    /// Writes a file that the description is to record.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        write_atomically(&self.folder.path().join(name), content)?;
        self.files.insert(name.to_owned(), FileRecord::of(content));
        Ok(())
    }

    /// Takes back a file that was written.
    pub(crate) fn remove(&mut self, name: &str) -> Result<()> {
        let file = self.folder.path().join(name);
        std::fs::remove_file(&file).map_err(mmnas_bundle::Error::io(&file, "remove"))?;
        self.files.remove(name);
        Ok(())
    }

    /// Writes a graph, and gives back its description without its contents.
    pub(crate) fn add_graph(&mut self, mut graph: BuiltGraph) -> Result<BuiltGraph> {
        self.add(&graph.file, &std::mem::take(&mut graph.bytes))?;
        if let Some((name, content)) = &mut graph.data {
            self.add(name, &std::mem::take(content))?;
        }
        Ok(graph)
    }

    /// Writes the description itself.
    pub(crate) fn describe(&self, name: &str, description: &impl Serialize) -> Result<()> {
        let file = self.folder.path().join(name);
        let text = serde_json::to_string_pretty(description).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(write_atomically(&file, text.as_bytes())?)
    }

    /// Renames the folder into place.
    pub(crate) fn finish(self) -> Result<()> {
        Ok(self.folder.finish()?)
    }
}
