//! Import of checkpoints into bundles.
//!
//! They are those of the published code, and safetensors with its parameter names.

pub mod dimensions;
pub mod labels;
pub mod settings;
pub mod vocabulary;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{Provenance, TaskName};
use mmnas_bundle::{Architecture, VisionBundle, sha256_of_file};
use mmnas_export::{FailedGraphs, Weights};
use tch::Tensor;

use crate::bundle::export::{ExportOptions, Trained, derived_network, standardise, take_feature_norm};
use crate::bundle::import::settings::{ImportSettings, wrong};
use crate::error::{Error, Result};
use crate::model::network::Network;

/// Largest number of tokens of an imported network's texts.
const MAX_TOKENS: usize = 4096;

/// Files of an import.
#[derive(Debug)]
pub struct ImportFiles {
    /// The weights: written by `torch.save` (before or since PyTorch 1.6) or safetensors.
    pub checkpoint: PathBuf,
    /// The words with their ids, which must be those of the network's training.
    ///
    /// The file is a tokenizers file, a JSON object of words and ids, or a JSON list of words. It
    /// may also be a text file with a word a line.
    pub vocabulary: PathBuf,
    /// The answers in the order of the logits (VQA).
    ///
    /// The file is a JSON list of strings or a JSON object of answers and places. It may also be a
    /// list of such objects whose first is taken (openvqa's `answer_dict.json`).
    pub labels: Option<PathBuf>,
}

/// Writes the bundle of a checkpoint to the new folder `out`.
///
/// It gives the graphs that were left out because they do not give the recorded outputs.
///
/// # Errors
///
/// - A file that is not as it must be.
/// - Parameters that are missing, of another shape, or not the network's, all listed by name.
/// - An output that is in the way.
pub fn import(
    files: &ImportFiles,
    architecture: &Architecture,
    settings: ImportSettings,
    vision: Option<&VisionBundle>,
    out: &Path,
    options: &ExportOptions<'_>,
) -> Result<Vec<FailedGraphs>> {
    let mut weights = Weights::read(&files.checkpoint)?;
    let d = crate::bundle::import::dimensions::of(&weights, architecture, settings, &files.checkpoint)?;
    let tokenizer = crate::bundle::import::vocabulary::read(&files.vocabulary)?;
    let max_tokens = settings.max_tokens.unwrap_or(if settings.task == TaskName::Itm { 50 } else { 14 });
    // Before anything is recorded, which needs words and room for them. Fewer words than rows
    // belong to another network: their ids would find wrong rows.
    if tokenizer.len() != d.vocabulary {
        let expected = format!("{} rows, one a word of {}", tokenizer.len(), files.vocabulary.display());
        return Err(wrong(&files.checkpoint, "embedding.weight", &expected, d.vocabulary.to_string()));
    }
    if max_tokens == 0 || max_tokens > MAX_TOKENS {
        let expected = format!("1 to {MAX_TOKENS}");
        return Err(wrong(&files.checkpoint, "--max-tokens", &expected, max_tokens.to_string()));
    }
    let mut network = derived_network(settings.task, architecture, &d)?;
    // Trainings of this project's recipes keep beside their parameters how they standardise
    // features.
    let norm = take_feature_norm(&mut weights, d.feature)?;
    fill(&network, &weights, &files.checkpoint)?;
    standardise(&mut network, &mut weights, norm)?;
    let labels = match (&files.labels, settings.task) {
        (Some(file), TaskName::Vqa) => crate::bundle::import::labels::read(file)?,
        (None, TaskName::Vqa) => {
            return Err(wrong(&files.checkpoint, "--labels", "a file of answers (the task is vqa)", "none".to_owned()));
        }
        (_, TaskName::Itm | TaskName::Vgd) => Vec::new(),
    };
    let sha256 = |file: &Path| Ok::<_, Error>(sha256_of_file(file)?);
    let mut data = BTreeMap::from([
        ("checkpoint".to_owned(), sha256(&files.checkpoint)?),
        ("vocabulary".to_owned(), sha256(&files.vocabulary)?),
    ]);
    if let Some(file) = &files.labels {
        data.insert("labels".to_owned(), sha256(file)?);
    }
    let trained = Trained {
        task: settings.task,
        network,
        weights,
        architecture: architecture.clone(),
        max_tokens,
        tokenizer: tokenizer.to_tokenizer_json(),
        labels,
        answer_scores: settings.answer_scores,
        metrics: BTreeMap::new(),
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("MMNAS_COMMIT").map(str::to_owned),
            seed: 0,
            data,
            recipe: serde_json::json!({ "imported": files.checkpoint.file_name().map(|name| name.to_string_lossy()) }),
        },
        // A checkpoint does not say it.
        features_sha256: None,
    };
    trained.write(vision, out, options)
}

/// Copies the weights into the network.
///
/// Every parameter that does not fit is listed, not only the first.
fn fill(network: &Network, weights: &Weights, file: &Path) -> Result<()> {
    let of_network = network.parameters();
    let of_file: BTreeMap<&str, _> = weights.iter().collect();
    let missing: Vec<String> = of_network.keys().filter(|name| !of_file.contains_key(name.as_str())).cloned().collect();
    let (mut unexpected, mut misshaped) = (Vec::new(), Vec::new());
    for (name, weight) in &of_file {
        match of_network.get(*name).map(|parameter| parameter.size().iter().map(|&n| n as usize).collect::<Vec<_>>()) {
            None => unexpected.push((*name).to_owned()),
            Some(shape) if shape != weight.shape => {
                misshaped.push(format!("{name} (expected {shape:?}, found {:?})", weight.shape));
            }
            Some(_) => {}
        }
    }
    if !(missing.is_empty() && unexpected.is_empty() && misshaped.is_empty()) {
        return Err(Error::Parameters { file: file.to_path_buf(), missing, unexpected, misshaped });
    }
    let _guard = tch::no_grad_guard();
    for (name, parameter) in of_network {
        if let Some(weight) = of_file.get(name.as_str()) {
            parameter
                .shallow_clone()
                .f_copy_(&Tensor::from_slice(&weight.data).f_view(parameter.size().as_slice())?)?;
        }
    }
    Ok(())
}
