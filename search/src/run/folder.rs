//! The folder of a run: its recipe, its inputs, its lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmnas_bundle::manifest::{Dimensions, Provenance};
use mmnas_bundle::{Architecture, WriterLock, write_atomically};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::run::files::{ARCHITECTURE, LOG, NETWORK, RECIPE};
use crate::space::limits::Latency;

/// The folder of a run: resolved recipe, checkpoint, log and results.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    // Held by the process that runs; the system frees it when the process ends, however it ends.
    _lock: Option<Arc<WriterLock>>,
}

/// File of the [`RunInputs`].
const INPUTS: &str = "inputs.json";

/// The file that the process of a run holds locked.
const LOCK: &str = ".lock";

/// `network.json`: describes `network.safetensors` beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// The task.
    pub task: String,
    /// Its architecture.
    pub architecture: Architecture,
    /// Its sizes.
    pub dimensions: Dimensions,
    /// Largest number of tokens; longer questions are cut.
    pub max_tokens: usize,
    /// Number of trained parameters.
    pub parameters: u64,
    /// Validation score of the weights, 0 to 1.
    pub validation: f64,
    /// SHA-256 of the vision graph whose features it was trained on.
    pub vision_sha256: String,
    /// Provenance of the network.
    pub provenance: Provenance,
}

/// `inputs.json`: the inputs of a run besides its recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInputs {
    /// The task.
    pub task: String,
    /// SHA-256 of the file of samples.
    ///
    /// With other files besides (validation, labels, tokenizer, word vectors, initial weights) it
    /// is one over all.
    pub samples_sha256: String,
    /// SHA-256 of the vision graph that gave the features.
    pub vision_sha256: String,
    /// SHA-256 of the features' indices, which name every image.
    ///
    /// With several folders it is one over all. Runs from before it was recorded have none.
    #[serde(default)]
    pub features_sha256: String,
    /// The architecture that is trained; none in a search.
    pub architecture: Option<Architecture>,
    /// SHA-256 of the table of the device that a search's limits are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_sha256: Option<String>,
}

impl RunInputs {
    /// The inputs of a run that also reads this table, if there is one.
    pub fn with_latency(self, latency: Option<&Latency>) -> RunInputs {
        RunInputs { latency_sha256: latency.map(|latency| latency.sha256.clone()), ..self }
    }
}

/// Inputs as their file holds them.
fn written(inputs: &RunInputs, file: &Path) -> Result<String> {
    Ok(serde_json::to_string_pretty(inputs).map_err(|e| mmnas_bundle::Error::json(file, &e))?)
}

/// Checks that the file that a run was started with holds `now`.
///
/// The error names the first line that differs.
fn same_text(file: &Path, now: &str) -> Result<()> {
    let started = std::fs::read_to_string(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
    if started == now {
        return Ok(());
    }
    let changed = started.lines().zip(now.lines()).find(|(a, b)| a != b);
    let (started, now) = changed.map_or(("more or fewer lines", "those of this call"), |(a, b)| (a.trim(), b.trim()));
    // The hash is over more than its name says.
    let of_data = if started.starts_with("\"samples_sha256\"") { HASHED } else { "" };
    Err(Error::OtherRun { file: file.to_path_buf(), started: format!("{of_data}{started}"), now: now.to_owned() })
}

/// The recipe that a run was started with must be `now`, whichever version wrote it.
fn same_recipe(file: &Path, now: &str) -> Result<()> {
    let started = std::fs::read_to_string(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
    let started = Recipe::parse_checked(&started, file, &[], |_| Ok(())).and_then(|recipe| recipe.to_toml());
    // One that cannot be read any more is told by its first other line.
    if started.is_ok_and(|started| started == now) { Ok(()) } else { same_text(file, now) }
}

/// What [`RunInputs::samples_sha256`] is the hash of, before the line that records it.
const HASHED: &str = "samples, labels, tokenizer, word vectors and initial weights of ";

/// Files that a run writes only after its first checkpoint.
const RESULTS: [&str; 3] = [NETWORK, ARCHITECTURE, LOG];

impl RunFolder {
    /// Starts a run in `path`, or with `resume` continues the one there.
    ///
    /// A run that was started with another recipe or other inputs is not continued.
    ///
    /// # Errors
    ///
    /// - [`Error::RunExists`] for a run that lies there, without `resume`.
    /// - [`Error::OtherRun`] if that run was started with another recipe or other inputs.
    /// - [`Error::Checkpoint`] if that run has results but no checkpoint.
    /// - [`Error::RunBusy`] if another process works in the folder.
    /// - [`Error::ForeignFolder`] for a new run in a folder with other files.
    /// - [`Error::Bundle`] if a file cannot be read or written.
    /// - [`Error::Recipe`] if the recipe cannot be written as TOML.
    pub fn open(path: &Path, recipe: &Recipe, inputs: &RunInputs, resume: bool) -> Result<RunFolder> {
        let mut run = RunFolder::at(path);
        let (recipe_file, inputs_file) = (run.file(RECIPE), run.file(INPUTS));
        let (recipe, inputs) = (recipe.to_toml()?, written(inputs, &inputs_file)?);
        if run.checkpoint().exists() || recipe_file.exists() {
            if !resume {
                return Err(Error::RunExists { path: run.path });
            }
            same_recipe(&recipe_file, &recipe)?;
            same_text(&inputs_file, &inputs)?;
            run.lock()?;
            run.check_checkpoint()?;
            mmnas_bundle::remove_unfinished(path);
            return Ok(run);
        }
        std::fs::create_dir_all(path).map_err(mmnas_bundle::Error::io(path, "create"))?;
        // A folder with other files is somebody's: a run would replace those of the same name as
        // its own. Only what a killed start leaves behind is taken over.
        let entries = std::fs::read_dir(path).map_err(mmnas_bundle::Error::io(path, "list"))?;
        let own = |name: &std::ffi::OsStr| {
            name == INPUTS || name == LOCK || mmnas_bundle::is_unfinished(&name.to_string_lossy())
        };
        let foreign = entries.flatten().find(|entry| !own(&entry.file_name()));
        if let Some(entry) = foreign {
            return Err(Error::ForeignFolder {
                path: run.path,
                found: entry.file_name().to_string_lossy().into_owned(),
            });
        }
        run.lock()?;
        mmnas_bundle::remove_unfinished(path);
        // The recipe last: it marks the run as started.
        write_atomically(&inputs_file, inputs.as_bytes())?;
        write_atomically(&recipe_file, recipe.as_bytes())?;
        Ok(run)
    }

    /// Checks that a run with results still has its checkpoint.
    ///
    /// Without it the run would begin anew, over its results. A run that ended before its first
    /// checkpoint has neither.
    fn check_checkpoint(&self) -> Result<()> {
        let checkpoint = self.checkpoint();
        let has_content = |name: &&str| self.file(name).metadata().is_ok_and(|file| file.len() > 0);
        match RESULTS.iter().find(|name| has_content(name)).filter(|_| !checkpoint.exists()) {
            Some(result) => Err(Error::Checkpoint {
                file: checkpoint,
                field: "(file)".to_owned(),
                expected: format!(
                    "the checkpoint of the run that left {result} there (another --out starts a new run)"
                ),
                found: "none".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Locks the run for this process.
    fn lock(&mut self) -> Result<()> {
        let file = self.file(LOCK);
        let lock = File::create(&file).map_err(mmnas_bundle::Error::io(&file, "create"))?;
        match WriterLock::take(lock, &file, &self.path) {
            Ok(lock) => self._lock = Some(Arc::new(lock)),
            Err(mmnas_bundle::Error::Busy { path, by }) => return Err(Error::RunBusy { path, by }),
            // Where the file system knows no locks, runs are as they were without them.
            Err(_) => {}
        }
        Ok(())
    }

    /// Locks the folder `path`, new or not, for as long as the returned value lives.
    ///
    /// It gives [`Error::RunBusy`] if another process holds the lock.
    pub(crate) fn claim(path: &Path) -> Result<RunFolder> {
        std::fs::create_dir_all(path).map_err(mmnas_bundle::Error::io(path, "create"))?;
        let mut run = RunFolder::at(path);
        run.lock()?;
        Ok(run)
    }

    /// What the run was started with, besides its recipe.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if `inputs.json` cannot be read.
    pub fn inputs(&self) -> Result<RunInputs> {
        let file = self.file(INPUTS);
        let text = std::fs::read_to_string(&file).map_err(mmnas_bundle::Error::io(&file, "read"))?;
        Ok(serde_json::from_str(&text).map_err(|e| mmnas_bundle::Error::json(&file, &e))?)
    }

    /// The recipe that the run was started with.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if `recipe.toml` cannot be read. [`Error::Recipe`] if this version cannot
    /// follow it.
    pub fn recipe(&self) -> Result<Recipe> {
        let file = self.file(RECIPE);
        let text = std::fs::read_to_string(&file).map_err(mmnas_bundle::Error::io(&file, "read"))?;
        Recipe::parse(&text, &file, &[])
    }

    /// Checks that the run was started with these inputs, whatever table its limits were for.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] with the first line that differs. [`Error::Bundle`] if `inputs.json`
    /// cannot be read.
    pub fn check_inputs(&self, inputs: &RunInputs) -> Result<()> {
        let file = self.file(INPUTS);
        let inputs = RunInputs { latency_sha256: self.inputs()?.latency_sha256, ..inputs.clone() };
        same_text(&file, &written(&inputs, &file)?)
    }

    /// Opens the run that lies in `path` for reading.
    pub fn at(path: &Path) -> RunFolder {
        RunFolder { path: path.to_path_buf(), _lock: None }
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The checkpoint's file.
    pub fn checkpoint(&self) -> PathBuf {
        self.file("checkpoint.safetensors")
    }

    /// Writes a file of the run as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if the value cannot be serialised or the file cannot be written.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let file = self.file(name);
        let text = serde_json::to_string_pretty(value).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(write_atomically(&file, (text + "\n").as_bytes())?)
    }

    /// Writes a file of the run as JSON lines.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if a value cannot be serialised or the file cannot be written.
    pub fn write_json_lines<T: Serialize>(&self, name: &str, values: &[T]) -> Result<()> {
        let file = self.file(name);
        let text = mmnas_bundle::samples::to_json_lines(values).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(write_atomically(&file, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(samples_sha256: &str) -> RunInputs {
        RunInputs {
            task: "vqa".to_owned(),
            samples_sha256: samples_sha256.to_owned(),
            vision_sha256: "b".to_owned(),
            features_sha256: "c".to_owned(),
            architecture: None,
            latency_sha256: None,
        }
    }

    fn open(path: &Path, samples_sha256: &str) -> std::result::Result<RunFolder, String> {
        let recipe =
            Recipe::parse(include_str!("../../experiments/easy_vqa/easy_vqa.toml"), Path::new("r.toml"), &[]).unwrap();
        RunFolder::open(path, &recipe, &inputs(samples_sha256), true).map_err(|e| e.to_string())
    }

    #[test]
    fn results_without_their_checkpoint_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        open(folder.path(), "a").unwrap();
        // What lies there before the first checkpoint.
        for (name, text) in [("tokenizer.json", "{}"), ("labels.json", "[]"), ("space.json", "{}"), (LOG, "")] {
            write(name, text);
        }
        open(folder.path(), "a").unwrap();
        for name in RESULTS {
            write(name, "x");
            let error = open(folder.path(), "a").unwrap_err();
            assert!(error.contains("checkpoint.safetensors: (file)") && error.contains(name), "{error}");
            write("checkpoint.safetensors", "x");
            open(folder.path(), "a").unwrap();
            for file in [name, "checkpoint.safetensors"] {
                std::fs::remove_file(folder.path().join(file)).unwrap();
            }
        }
    }

    #[test]
    fn a_run_that_this_process_works_on_is_not_called_another_s() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunFolder::claim(folder.path()).unwrap();
        let error = RunFolder::claim(folder.path()).unwrap_err();
        assert!(matches!(error, Error::RunBusy { by: mmnas_bundle::Writer::ThisProcess, .. }), "{error}");
        assert!(error.to_string().ends_with(": this process itself works on this run"), "{error}");
        drop(first);
        RunFolder::claim(folder.path()).unwrap();
    }

    #[test]
    fn other_data_are_called_by_what_they_may_be() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), "a").unwrap();
        let error = open(folder.path(), "d").unwrap_err();
        for part in ["inputs.json", "samples, labels, tokenizer, word vectors and initial weights of", "found", "\"d\""]
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
