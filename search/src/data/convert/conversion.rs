//! Shared parts of the conversions of published formats.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use mmnas_bundle::{Error as BundleError, NewFolder, Vocabulary, skip_byte_order_mark, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// The files that a conversion wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converted {
    /// The files of samples in the order of writing, with their numbers of lines.
    pub samples: Vec<(String, usize)>,
    /// Number of ids of the vocabulary, the special tokens included.
    pub words: usize,
    /// Number of labels, if the data set has answers.
    pub labels: Option<usize>,
}

/// Callback with the number of files that are done and their number in all.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Reads a JSON file piece by piece.
pub(crate) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let opened = File::open(file).map_err(BundleError::io(file, "read"))?;
    let mut reader = BufReader::with_capacity(1 << 20, opened);
    skip_byte_order_mark(&mut reader, file)?;
    Ok(serde_json::from_reader(reader).map_err(|e| BundleError::json(file, &e))?)
}

/// Name of a COCO image: its id.
///
/// Its file and its features are found by it: see [`mmnas_bundle::image_names`].
pub(crate) fn image_name(id: u64) -> String {
    id.to_string()
}

/// The folder of a conversion.
///
/// It appears when [`Writer::finish`] is called.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: NewFolder,
    converted: Converted,
}

impl Writer {
    pub(crate) fn create(out: &Path) -> Result<Writer> {
        Ok(Writer { folder: NewFolder::create(out)?, converted: Converted::default() })
    }

    /// Writes a file of JSON lines.
    pub(crate) fn samples<T: Serialize>(&mut self, name: &str, samples: &[T]) -> Result<()> {
        let file = self.folder.path().join(name);
        let failed = BundleError::io(&file, "write");
        let write = || -> std::io::Result<()> {
            let mut writer = BufWriter::with_capacity(1 << 20, File::create(&file)?);
            for sample in samples {
                serde_json::to_writer(&mut writer, sample)?;
                writer.write_all(b"\n")?;
            }
            writer.into_inner()?.sync_all()
        };
        write().map_err(failed)?;
        self.converted.samples.push((name.to_owned(), samples.len()));
        Ok(())
    }

    /// Writes `labels.json`.
    pub(crate) fn labels(&mut self, labels: &[String]) -> Result<()> {
        let file = self.folder.path().join("labels.json");
        write_atomically(&file, &serde_json::to_vec(labels).map_err(|e| BundleError::json(&file, &e))?)?;
        self.converted.labels = Some(labels.len());
        Ok(())
    }

    /// Writes `tokenizer.json`.
    pub(crate) fn vocabulary(&mut self, vocabulary: &Vocabulary) -> Result<()> {
        write_atomically(&self.folder.path().join("tokenizer.json"), vocabulary.to_tokenizer_json().as_bytes())?;
        self.converted.words = vocabulary.len();
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Converted> {
        self.folder.finish()?;
        Ok(self.converted)
    }
}

/// The files of `names` that lie in `folder`, at least one.
pub(crate) fn present<'a>(folder: &Path, names: &[&'a str]) -> Result<Vec<(&'a str, PathBuf)>> {
    let files: Vec<_> = names.iter().map(|name| (*name, folder.join(name))).filter(|(_, file)| file.exists()).collect();
    if files.is_empty() {
        return Err(BundleError::invalid(folder, "(files)", format!("one of {}", names.join(", ")), "none").into());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_files_may_begin_with_a_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("questions.json");
        std::fs::write(&file, "\u{feff}[1, 2]").unwrap();
        assert_eq!(read_json::<Vec<u32>>(&file).unwrap(), [1, 2]);
        let wide: Vec<u8> = "[1, 2]".encode_utf16().flat_map(u16::to_be_bytes).collect();
        std::fs::write(&file, wide).unwrap();
        let error = read_json::<Vec<u32>>(&file).unwrap_err().to_string();
        assert!(error.contains("questions.json") && error.contains("found UTF-16; save the file as UTF-8"), "{error}");
    }
}
