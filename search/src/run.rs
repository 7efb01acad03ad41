use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmnas_bundle::manifest::{Dimensions, Provenance};
use mmnas_bundle::{Architecture, write_atomically};
use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::{Error, Result};

/// The folder of a run: its resolved recipe, its checkpoint, its log and what it found.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    // Held by the process that runs; the system frees it when the process ends, however it ends.
    _lock: Option<Arc<File>>,
}

/// The file that the process of a run holds locked.
const LOCK: &str = ".lock";

/// `network.json`: what `network.safetensors` beside it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// What the network is for.
    pub task: String,
    /// Its architecture.
    pub architecture: Architecture,
    /// Its sizes.
    pub dimensions: Dimensions,
    /// Questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Number of trained numbers.
    pub parameters: u64,
    /// Validation score of the weights, 0 to 1.
    pub validation: f64,
    /// SHA-256 of the vision graph whose features it was trained on.
    pub vision_sha256: String,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// `inputs.json`: what a run works on, besides its recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInputs {
    /// The task.
    pub task: String,
    /// SHA-256 of the file of samples.
    pub samples_sha256: String,
    /// SHA-256 of the vision graph that gave the features.
    pub vision_sha256: String,
    /// SHA-256 of the features' indices, which name every image; of several folders one over all. Runs
    /// before it was recorded have none.
    #[serde(default)]
    pub features_sha256: String,
    /// The architecture that is trained; none in a search.
    pub architecture: Option<Architecture>,
}

/// The file that a run was started with must hold `now`; the first line that differs is named.
fn same_text(file: &Path, now: &str) -> Result<()> {
    let started = std::fs::read_to_string(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
    if started == now {
        return Ok(());
    }
    let changed = started.lines().zip(now.lines()).find(|(a, b)| a != b);
    let (started, now) = changed.map_or(("more or fewer lines", "those of this call"), |(a, b)| (a.trim(), b.trim()));
    Err(Error::OtherRun { file: file.to_path_buf(), started: started.to_owned(), now: now.to_owned() })
}

impl RunFolder {
    /// Starts a run in `path`, or goes on with the one that lies there where `resume` is set. A run that was started
    /// with another recipe, or on something else, is not gone on with.
    pub fn open(path: &Path, recipe: &Recipe, inputs: &RunInputs, resume: bool) -> Result<RunFolder> {
        let mut run = RunFolder::at(path);
        let (recipe_file, inputs_file) = (run.file("recipe.toml"), run.file("inputs.json"));
        let recipe = recipe.to_toml()?;
        let inputs = serde_json::to_string_pretty(inputs).map_err(|e| mmnas_bundle::Error::json(&inputs_file, &e))?;
        if run.checkpoint().exists() || recipe_file.exists() {
            if !resume {
                return Err(Error::RunExists { path: run.path });
            }
            same_text(&recipe_file, &recipe)?;
            same_text(&inputs_file, &inputs)?;
            run.lock()?;
            mmnas_bundle::remove_unfinished(path);
            return Ok(run);
        }
        std::fs::create_dir_all(path).map_err(mmnas_bundle::Error::io(path, "create"))?;
        // A folder with other files is somebody's: a run would replace those that are called as its own. Only what a
        // start that was killed leaves behind is taken over.
        let entries = std::fs::read_dir(path).map_err(mmnas_bundle::Error::io(path, "list"))?;
        let own = |name: &std::ffi::OsStr| {
            name == "inputs.json" || name == LOCK || mmnas_bundle::is_unfinished(&name.to_string_lossy())
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

    /// Makes the run this process's own.
    fn lock(&mut self) -> Result<()> {
        let file = self.file(LOCK);
        let lock = File::create(&file).map_err(mmnas_bundle::Error::io(&file, "create"))?;
        // Where the file system knows no locks, runs are as they were without them.
        if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::RunBusy { path: self.path.clone() });
        }
        self._lock = Some(Arc::new(lock));
        Ok(())
    }

    /// Makes the folder `path`, new or not, this process's own as long as the answer lives; [`Error::RunBusy`] where it is another's.
    pub(crate) fn claim(path: &Path) -> Result<RunFolder> {
        std::fs::create_dir_all(path).map_err(mmnas_bundle::Error::io(path, "create"))?;
        let mut run = RunFolder::at(path);
        run.lock()?;
        Ok(run)
    }

    /// The run that lies in `path`, to look at.
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
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let file = self.file(name);
        let text = serde_json::to_string_pretty(value).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(write_atomically(&file, (text + "\n").as_bytes())?)
    }

    /// Writes a file of the run as JSON lines.
    pub fn write_json_lines<T: Serialize>(&self, name: &str, values: &[T]) -> Result<()> {
        let file = self.file(name);
        let text = mmnas_bundle::samples::to_json_lines(values).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(write_atomically(&file, text.as_bytes())?)
    }
}
