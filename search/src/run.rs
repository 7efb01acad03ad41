use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{Dimensions, Provenance, TaskName};
use mmnas_bundle::{Architecture, write_atomically};
use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::{Error, Result};

/// The folder of a run: its resolved recipe, its checkpoint, its log and what it found.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

/// `network.json`: what `network.safetensors` beside it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// What the network is for.
    pub task: TaskName,
    /// Its architecture.
    pub architecture: Architecture,
    /// Its sizes.
    pub dimensions: Dimensions,
    /// Questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Validation score of the weights, 0 to 1.
    pub validation: f64,
    /// SHA-256 of the vision graph whose features it was trained on.
    pub vision_sha256: String,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl RunFolder {
    /// Starts a run in `path`, or goes on with the one that lies there where `resume` is set. A run that was started
    /// with another recipe is not gone on with.
    pub fn open(path: &Path, recipe: &Recipe, resume: bool) -> Result<RunFolder> {
        let run = RunFolder { path: path.to_path_buf() };
        let file = run.file("recipe.toml");
        let text = recipe.to_toml()?;
        if run.checkpoint().exists() || file.exists() {
            if !resume {
                return Err(Error::RunExists { path: run.path });
            }
            let found = std::fs::read_to_string(&file).map_err(mmnas_bundle::Error::io(&file, "read"))?;
            if found != text {
                let changed = found.lines().zip(text.lines()).find(|(a, b)| a != b);
                let (found, expected) = changed.map_or(("another length", "the same"), |(a, b)| (a, b));
                return Err(Error::Recipe {
                    file,
                    field: "(recipe)".into(),
                    expected: format!("the recipe that the run was started with: {expected}"),
                    found: found.into(),
                });
            }
            return Ok(run);
        }
        std::fs::create_dir_all(path).map_err(mmnas_bundle::Error::io(path, "create"))?;
        write_atomically(&file, text.as_bytes())?;
        Ok(run)
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
