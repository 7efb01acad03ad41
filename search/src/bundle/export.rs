//! Export of trained weights to a bundle.
//!
//! Inputs and outputs are recorded in libtorch, with everything else that a bundle holds.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{AnswerScores, Dimensions, Provenance, TaskName};
use mmnas_bundle::{Architecture, Error as BundleError, VisionBundle, read_json_file, read_text_file};
use mmnas_export::{BundleParts, ExportSettings, FailedGraphs, Measure, Weight, Weights, write_bundle};
use tch::{Device, Tensor};

use crate::bundle::golden::record_stages;
use crate::error::Result;
use crate::model::network::{FeatureNorm, Naming, Network};
use crate::nn::tensors::{copy_into, load_tensors};
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::model::Modalities;
use crate::run::files::{FEATURE_MEAN, FEATURE_STD, LABELS, NETWORK, RECORD, TOKENIZER};
use crate::run::folder::NetworkRecord;
use crate::space::search_space::Space;
use crate::task::Task;
use crate::task::itm::data::ItmData;
use crate::task::vgd::data::VgdData;
use crate::task::vqa::data::VqaData;

/// Regions of the recorded inputs without a vision stage, as in the published ITM models.
const REGIONS: usize = 36;

/// Options of an export.
#[derive(Default)]
pub struct ExportOptions<'a> {
    /// The graphs that are written.
    pub settings: ExportSettings,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// Runs the graphs before the bundle appears in its place.
    pub measure: Option<&'a Measure<'a>>,
}

/// A derived network of the task, of the published operations, on the CPU.
///
/// # Errors
///
/// [`Error::Operation`](crate::error::Error::Operation) for an operation that is not in the
/// standard pool, not allowed there, or cannot be built at these sizes.
pub fn derived_network(task: TaskName, architecture: &Architecture, dimensions: &Dimensions) -> Result<Network> {
    let space = Space::single(architecture, &Pool::standard())?;
    space.check(dimensions)?;
    let (d, naming, device) = (dimensions, Naming::Derived, Device::Cpu);
    Ok(match task {
        TaskName::Vqa => Network::new(&space, d, naming, device, VqaData::head),
        TaskName::Itm => Network::new(&space, d, naming, device, ItmData::head),
        TaskName::Vgd => Network::new(&space, d, naming, device, VgdData::head),
    })
}

/// A trained network and its description in a bundle.
pub(crate) struct Trained {
    pub task: TaskName,
    pub network: Network,
    /// The network's parameters, a feature norm folded in.
    pub weights: Weights,
    pub architecture: Architecture,
    pub max_tokens: usize,
    pub tokenizer: String,
    pub labels: Vec<String>,
    pub answer_scores: AnswerScores,
    pub metrics: BTreeMap<String, f64>,
    pub provenance: Provenance,
    /// SHA-256 of the vision graph whose features it was trained on, if known.
    pub features_sha256: Option<String>,
}

impl Trained {
    /// Records inputs and outputs and writes the bundle to the new folder `out`.
    ///
    /// It gives the graphs that were left out.
    pub(crate) fn write(
        &self,
        vision: Option<&VisionBundle>,
        out: &Path,
        options: &ExportOptions<'_>,
    ) -> Result<Vec<FailedGraphs>> {
        let regions = vision.map_or(REGIONS, |v| v.vision().regions.count());
        let seed = self.provenance.seed;
        let recorded = record_stages(&self.network, self.task, self.max_tokens, regions, seed)?;
        let parts = BundleParts {
            task: self.task,
            architecture: &self.architecture,
            dimensions: self.network.dimensions(),
            weights: &self.weights,
            max_tokens: self.max_tokens,
            tokenizer: &self.tokenizer,
            labels: &self.labels,
            answer_scores: self.answer_scores,
            vision,
            features_sha256: self.features_sha256.clone(),
            golden: &recorded,
            metrics: self.metrics.clone(),
            provenance: self.provenance.clone(),
            licence: options.licence.clone(),
            settings: options.settings.clone(),
        };
        Ok(write_bundle(&parts, out, options.measure)?)
    }
}

/// Name of a task's validation score.
fn metric(task: TaskName) -> &'static str {
    match task {
        TaskName::Vqa => "validation_accuracy",
        TaskName::Itm => "validation_mean_recall",
        TaskName::Vgd => "validation_accuracy_at_iou_0.5",
    }
}

/// Takes mean and deviation of the features out of a run's tensors, if any.
///
/// # Errors
///
/// One without the other, or of another width.
pub(crate) fn take_feature_norm(weights: &mut Weights, width: usize) -> Result<Option<[Weight; 2]>> {
    let names = [FEATURE_MEAN, FEATURE_STD];
    if !weights.iter().any(|(name, _)| names.contains(&name)) {
        return Ok(None);
    }
    for name in names {
        weights.get(name, &[width])?;
    }
    Ok(weights.remove(FEATURE_MEAN).zip(weights.remove(FEATURE_STD)).map(<[Weight; 2]>::from))
}

/// Sets the network's feature norm, and folds it into the weights.
pub(crate) fn standardise(network: &mut Network, weights: &mut Weights, norm: Option<[Weight; 2]>) -> Result<()> {
    if let Some([mean, std]) = norm {
        weights.fold_feature_norm(&mean.data, &std.data)?;
        let [mean, std] = [mean, std].map(|weight| Tensor::from_slice(&weight.data));
        network.set_feature_norm(Some(FeatureNorm { mean, std }));
    }
    Ok(())
}

/// Writes the bundle of the retrained network in the folder `run` to the folder `out`.
///
/// `out` is new. `vision` must be the stage whose features the network was trained on. It gives the
/// graphs that were left out because they do not give the recorded outputs.
///
/// # Errors
///
/// - [`Error::Bundle`](crate::error::Error::Bundle) if a file of the run cannot be read. The same
///   for a run of another task, or of a unimodal baseline.
/// - [`Error::Checkpoint`](crate::error::Error::Checkpoint) for weights that do not fit the
///   network.
/// - [`Error::Operation`](crate::error::Error::Operation) for an operation that is not in the
///   standard pool.
/// - [`Error::Export`](crate::error::Error::Export) for another vision stage, and if the bundle
///   cannot be written.
pub fn export(
    run: &Path,
    vision: Option<&VisionBundle>,
    out: &Path,
    options: &ExportOptions<'_>,
) -> Result<Vec<FailedGraphs>> {
    let record: NetworkRecord = read_json_file(&run.join(RECORD))?;
    let task = serde_json::from_value(record.task.clone().into()).map_err(|_| {
        BundleError::invalid(run.join(RECORD), "task", "a task that a bundle can be of: vqa, itm, vgd", &record.task)
    })?;
    // A unimodal baseline was never shown the other modality, which the bundle would give it.
    let recipe = Recipe::recorded(&record.provenance.recipe, &run.join(RECORD))?;
    if recipe.model.modalities != Modalities::Both {
        let (field, expected) = ("provenance.recipe.model.modalities", "a network that sees both, \"both\"");
        let found = serde_json::json!(recipe.model.modalities);
        return Err(BundleError::invalid(run.join(RECORD), field, expected, found).into());
    }
    let answer_scores = if task == TaskName::Vqa { recipe.vqa.answer_scores } else { AnswerScores::default() };
    let labels: Vec<String> = read_json_file(&run.join(LABELS))?;
    let tokenizer_file = run.join(TOKENIZER);
    let tokenizer = read_text_file(&tokenizer_file)?;
    if let Some(vision) = vision {
        let found = vision.graph_sha256()?;
        if found != record.vision_sha256 {
            return Err(
                mmnas_export::Error::OtherVision { expected: record.vision_sha256, found: found.to_owned() }.into()
            );
        }
    }
    let file = run.join(NETWORK);
    let (tensors, _) = load_tensors(&file)?;
    let mut network = derived_network(task, &record.architecture, &record.dimensions)?;
    copy_into(network.parameters(), &tensors, "", &file)?;
    let mut weights = Weights::read_safetensors(&file)?;
    let norm = take_feature_norm(&mut weights, record.dimensions.feature)?;
    standardise(&mut network, &mut weights, norm)?;
    let trained = Trained {
        task,
        network,
        weights,
        architecture: record.architecture,
        max_tokens: record.max_tokens,
        tokenizer,
        labels,
        answer_scores,
        metrics: [(metric(task).to_owned(), record.validation)].into(),
        provenance: record.provenance,
        features_sha256: Some(record.vision_sha256),
    };
    trained.write(vision, out, options)
}
