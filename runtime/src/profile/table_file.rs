//! The file of latencies while it grows: what was measured is kept, and an earlier run's is taken on.

use std::path::{Path, PathBuf};

use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::{Error as BundleError, write_atomically};

use crate::error::{Error, Result};

/// A new file of latencies, which lies beside its place until it is whole.
#[derive(Debug)]
pub(super) struct TableFile {
    file: PathBuf,
    partial: PathBuf,
}

impl TableFile {
    /// The new file `file`.
    ///
    /// # Errors
    /// A file that is there; a folder that is not.
    pub(super) fn new(file: &Path) -> Result<TableFile> {
        let Some(name) = file.file_name() else {
            return Err(Error::argument("out", "the name of a new file", file.display()));
        };
        let mut partial = name.to_owned();
        partial.push(".partial");
        let target = TableFile { file: file.to_path_buf(), partial: file.with_file_name(partial) };
        target.check_free()?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let is_folder = folder.metadata().map_err(BundleError::io(folder, "write into"))?.is_dir();
        if !is_folder {
            return Err(BundleError::io(folder, "write into")(std::io::ErrorKind::NotADirectory.into()).into());
        }
        Ok(target)
    }

    /// Where what was measured lies until the file is whole.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// What an earlier run left, or `empty`, a table without measurements.
    ///
    /// # Errors
    /// What is left is of other probes, was measured elsewhere, or is damaged.
    pub(super) fn resume(&self, empty: LatencyTable) -> Result<LatencyTable> {
        if self.partial.symlink_metadata().is_err() {
            return Ok(empty);
        }
        let found = LatencyTable::read(&self.partial)?;
        check_same(&found, &empty, &self.partial)?;
        Ok(found)
    }

    /// Writes what was measured so far.
    pub(super) fn keep(&self, table: &LatencyTable) -> Result<()> {
        Ok(write_atomically(&self.partial, &self.content(table)?)?)
    }

    /// Writes the whole table into its place.
    pub(super) fn finish(self, table: &LatencyTable) -> Result<()> {
        // Somebody may have made it since.
        self.check_free()?;
        write_atomically(&self.file, &self.content(table)?)?;
        match std::fs::remove_file(&self.partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BundleError::io(&self.partial, "remove")(error).into())
            }
            _ => Ok(()),
        }
    }

    fn check_free(&self) -> Result<()> {
        match self.file.symlink_metadata() {
            Ok(_) => Err(BundleError::Exists { path: self.file.clone() }.into()),
            Err(_) => Ok(()),
        }
    }

    fn content(&self, table: &LatencyTable) -> Result<Vec<u8>> {
        let content = serde_json::to_vec_pretty(table).map_err(|e| BundleError::io(&self.file, "write")(e.into()))?;
        Ok([content, b"\n".to_vec()].concat())
    }
}

/// Checks that a table was begun with the probes and in the environment of another.
fn check_same(found: &LatencyTable, here: &LatencyTable, file: &Path) -> Result<()> {
    let (theirs, ours) = (&found.environment, &here.environment);
    let fields = [
        ("probes_sha256", found.probes_sha256.clone(), here.probes_sha256.clone()),
        ("environment.device", theirs.device.clone(), ours.device.clone()),
        ("environment.flags", theirs.flags.join(" "), ours.flags.join(" ")),
        ("environment.provider", theirs.provider.clone(), ours.provider.clone()),
        ("environment.threads", theirs.threads.to_string(), ours.threads.to_string()),
        ("environment.onnxruntime", theirs.onnxruntime.clone(), ours.onnxruntime.clone()),
        ("environment.system", theirs.system.clone(), ours.system.clone()),
    ];
    for (field, theirs, ours) in fields {
        if theirs != ours {
            let expected = format!("{ours:?}, as here (remove this file to begin anew)");
            return Err(Error::invalid(file, field, expected, format!("{theirs:?}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::latency::probes::{Part, Stack};
    use mmnas_bundle::latency::table::{Environment, Measurement};
    use mmnas_bundle::manifest::Form;

    use super::*;
    use crate::profile::inputs::tests::probes;

    fn table() -> LatencyTable {
        let environment = Environment {
            device: "A CPU".to_owned(),
            flags: vec!["avx2".to_owned()],
            provider: "cpu".to_owned(),
            threads: 2,
            onnxruntime: "1.28.0".to_owned(),
            system: "linux x86_64".to_owned(),
        };
        LatencyTable::new(&probes(vec![]), "abc".to_owned(), environment)
    }

    fn measured() -> LatencyTable {
        let Form { variant, precision } = Form::ORT_FP32;
        let one = Measurement {
            stack: Stack::Text,
            part: Part::Fixed,
            variant,
            precision,
            milliseconds: 0.5,
            spread: 0.01,
            runs: 60,
            bytes: 100,
            memory: None,
            millijoules: None,
        };
        LatencyTable { measurements: vec![one], ..table() }
    }

    #[test]
    fn what_was_kept_is_taken_on_and_the_end_leaves_the_table_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latency.json");
        let target = TableFile::new(&file).unwrap();
        assert_eq!(target.partial(), folder.path().join("latency.json.partial"));
        assert_eq!(target.resume(table()).unwrap(), table());
        target.keep(&measured()).unwrap();
        assert!(!file.exists());
        let target = TableFile::new(&file).unwrap();
        assert_eq!(target.resume(table()).unwrap(), measured());
        target.finish(&measured()).unwrap();
        assert_eq!(LatencyTable::read(&file).unwrap(), measured());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_measured_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = TableFile::new(&folder.path().join("latency.json")).unwrap();
        target.keep(&measured()).unwrap();
        type Change = fn(&mut LatencyTable);
        let changes: [(&str, Change); 7] = [
            ("probes_sha256", |t| t.probes_sha256 = "other".to_owned()),
            ("environment.device", |t| t.environment.device = "other".to_owned()),
            ("environment.flags", |t| t.environment.flags = Vec::new()),
            ("environment.provider", |t| t.environment.provider = "cuda".to_owned()),
            ("environment.threads", |t| t.environment.threads = 4),
            ("environment.onnxruntime", |t| t.environment.onnxruntime = "1.29.0".to_owned()),
            ("environment.system", |t| t.environment.system = "other".to_owned()),
        ];
        for (field, change) in changes {
            let mut here = table();
            change(&mut here);
            let error = target.resume(here).unwrap_err().to_string();
            let begin = format!("{}: {field}: expected ", target.partial().display());
            assert!(error.starts_with(&begin) && error.contains("remove this file"), "{error}");
        }
        std::fs::write(target.partial(), "{").unwrap();
        assert!(target.resume(table()).unwrap_err().to_string().contains("latency.json.partial"));
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latency.json");
        let target = TableFile::new(&file).unwrap();
        std::fs::write(&file, "mine").unwrap();
        let exists = |error: Error| matches!(error, Error::Bundle(BundleError::Exists { .. }));
        assert!(exists(target.finish(&measured()).unwrap_err()) && exists(TableFile::new(&file).unwrap_err()));
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        assert!(TableFile::new(&folder.path().join("none/latency.json")).is_err());
        assert!(TableFile::new(&file.join("latency.json")).is_err());
        assert!(TableFile::new(Path::new("/")).is_err());
    }
}
