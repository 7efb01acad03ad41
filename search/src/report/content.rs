//! The content of a page, read from a run's folder.
//!
//! Only the files that identify the run must be there. The rest may come later.

use std::path::Path;

use mmnas_bundle::samples::read_json_lines;
use mmnas_bundle::{Architecture, Error as BundleError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::report::architecture::Stacks;
use crate::report::front::NamedFront;
use crate::report::palette::Palette;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes as notes;
use crate::run::files::{EXAMPLES, LOG, RECORD};
use crate::run::folder::{RunFolder, RunInputs};
use crate::run::searched_blocks::{Block, blocks};
use crate::task::example::Example;
use crate::train::finals::{FINALS, Finals};

/// The content of a page.
#[derive(Debug)]
pub(crate) struct Content {
    /// Name of the run's folder.
    pub title: String,
    /// The inputs of the run.
    pub inputs: RunInputs,
    /// One record an epoch; none before the first has ended.
    pub records: Vec<EpochRecord>,
    /// The blocks that were searched; none in a retraining.
    pub blocks: Vec<Block>,
    /// The architecture that is trained or was derived so far.
    pub architecture: Option<Stacks>,
    /// Results of a search's finals, if it has some.
    pub finals: Option<Finals>,
    /// The recipe as text.
    pub recipe: String,
    /// `network.json` of a retraining.
    pub network: Option<Value>,
    /// Examples of the network's outputs.
    pub examples: Vec<Example>,
    /// A front to show; none unless one is asked for.
    pub front: Option<NamedFront>,
    /// All operations that are shown.
    pub palette: Palette,
}

fn read(file: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(file).map_err(BundleError::io(file, "read"))?)
}

/// The lines of `file`; none if it is missing or empty.
fn lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let empty = std::fs::metadata(file).map_or(true, |meta| meta.is_file() && meta.len() == 0);
    Ok(if empty { Vec::new() } else { read_json_lines(file)? })
}

fn stacks(architecture: &Architecture) -> Stacks {
    let encoder = architecture.encoder.iter().map(|operation| operation.name().to_owned()).collect();
    let decoder = architecture.decoder.iter().map(|operation| operation.name().to_owned()).collect();
    Stacks { encoder, decoder }
}

impl Content {
    /// Reads the run in the folder `run`.
    pub(crate) fn read(run: &Path) -> Result<Content> {
        let folder = RunFolder::at(run);
        let inputs = folder.inputs()?;
        let recipe = read(&folder.file("recipe.toml"))?;
        let records: Vec<EpochRecord> = lines(&folder.file(LOG))?;
        let file = folder.file(RECORD);
        let network: Option<Value> = if file.exists() {
            Some(serde_json::from_str(&read(&file)?).map_err(|e| BundleError::json(&file, &e))?)
        } else {
            None
        };
        let found = folder.file("architecture.json");
        let architecture = match &inputs.architecture {
            Some(architecture) => Some(stacks(architecture)),
            None if found.exists() => Some(stacks(&Architecture::read(&found)?)),
            None => None,
        };
        let file = folder.file(FINALS);
        let finals = if file.exists() { Some(Finals::read(&file)?) } else { None };
        let blocks = blocks(&folder, &records)?;
        let shares = notes::names(&records, "shares");
        let shown = architecture.iter().flat_map(|stacks| stacks.encoder.iter().chain(&stacks.decoder));
        let shown = shown.chain(blocks.iter().flat_map(|block| &block.operations)).chain(&shares);
        let palette = Palette::of(shown.map(String::as_str));
        let path = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
        let title = path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
        let examples = lines(&folder.file(EXAMPLES))?;
        Ok(Content {
            title,
            inputs,
            records,
            blocks,
            architecture,
            finals,
            recipe,
            network,
            examples,
            front: None,
            palette,
        })
    }

    /// The place of the record with the best validation, the first of them.
    pub(crate) fn best(&self) -> Option<usize> {
        let scores = self.records.iter().map(|record| record.validation).enumerate().filter(|(_, v)| v.is_finite());
        scores.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(epoch, _)| epoch)
    }
}
