//! Probes of a recipe's space: what `mmnas profile` measures on a device.

use std::path::Path;

use mmnas_bundle::latency::probes::Probes;
use mmnas_bundle::manifest::{Dimensions, Form, TaskName};
use mmnas_bundle::{Architecture, Error as BundleError, Operation, VisionBundle};
use mmnas_export::{ExportSettings, Int8Scheme, ProbeSettings, Weight, Weights, plan, write_probes};

use crate::bundle::check_networks::check_networks;
use crate::bundle::export::derived_network;
use crate::error::Result;
use crate::operations::pool::{Candidate, Pool};
use crate::recipe::Recipe;
use crate::seed::seed_torch;

/// Sizes of the measured networks that a recipe does not say.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSizes {
    /// D, width of a region's features.
    pub feature: usize,
    /// Number of words.
    pub vocabulary: usize,
    /// Number of answers (VQA).
    pub answers: usize,
    /// Tokens of the measured text.
    pub tokens: usize,
    /// Regions of the measured image.
    pub regions: usize,
}

/// The sizes of a network that retraining by `recipe` would give.
pub fn network_sizes(recipe: &Recipe, task: TaskName, sizes: ProbeSizes) -> Dimensions {
    let embeddings = match task {
        TaskName::Vqa => None,
        TaskName::Itm => recipe.itm.embeddings(),
        TaskName::Vgd => recipe.vgd.embeddings(),
    };
    Dimensions {
        feature: sizes.feature,
        vocabulary: sizes.vocabulary,
        outputs: if task == TaskName::Vqa { sizes.answers } else { 1 },
        embeddings,
        ..recipe.widths(recipe.retrain.hidden)
    }
}

/// What is written of a space.
#[derive(Debug)]
pub struct ProbesWanted<'a> {
    /// The forms of the graphs, at least one.
    pub forms: &'a [Form],
    /// How the fused operators compute with weights in 8 bits.
    pub int8: Int8Scheme,
    /// Networks that are measured whole, to see whether predictions hold.
    pub networks: &'a [Architecture],
    /// So many random ones of the space beside them.
    pub checks: usize,
    /// The vision stage that gives the networks' features, for calls from pixels on.
    pub vision: Option<&'a VisionBundle>,
}

/// Checks that a vision stage gives what networks of these sizes read.
fn check_vision(vision: &VisionBundle, sizes: ProbeSizes) -> Result<()> {
    let (described, file) = (vision.vision(), vision.file());
    if described.feature != sizes.feature {
        let expected = format!("{}, as the measured networks read", sizes.feature);
        return Err(BundleError::invalid(file, "vision.feature", expected, described.feature).into());
    }
    let most = described.regions.count();
    let fits = if described.regions.is_grid() { sizes.regions == most } else { sizes.regions <= most };
    if !fits {
        let expected = format!("{} regions, as the measured networks read", sizes.regions);
        return Err(BundleError::invalid(file, "vision.regions", expected, most).into());
    }
    Ok(())
}

/// Writes the probes of the recipe's space at the retraining's width to the new folder `out`.
///
/// # Errors
/// Operations that do not fit the width or cannot be exported; a vision stage that gives other features, or another
/// number of regions; a folder that cannot be written.
pub fn probes(
    recipe: &Recipe,
    task: TaskName,
    sizes: ProbeSizes,
    wanted: &ProbesWanted<'_>,
    out: &Path,
) -> Result<Probes> {
    let dimensions = network_sizes(recipe, task, sizes);
    wanted.vision.map_or(Ok(()), |vision| check_vision(vision, sizes))?;
    let space = recipe.open_space(&Pool::standard())?;
    space.check(&dimensions)?;
    // Networks may have more than the space: baselines of a comparison.
    let of_networks = |side: fn(&Architecture) -> &Vec<Operation>| wanted.networks.iter().flat_map(side).copied();
    let different = |blocks: &[Vec<Candidate>], more: &mut dyn Iterator<Item = Operation>| {
        let mut known: Vec<Operation> = Vec::new();
        for operation in blocks.iter().flatten().map(Candidate::operation).chain(more) {
            if !known.contains(&operation) {
                known.push(operation);
            }
        }
        known
    };
    let deepest = |side: fn(&Architecture) -> &Vec<Operation>, own: usize| {
        wanted.networks.iter().map(|network| side(network).len()).fold(own, usize::max)
    };
    let blocks = (deepest(|a| &a.encoder, space.encoder.len()), deepest(|a| &a.decoder, space.decoder.len()));
    let planned = plan(
        &different(&space.encoder, &mut of_networks(|a| &a.encoder)),
        &different(&space.decoder, &mut of_networks(|a| &a.decoder)),
        blocks,
    );
    let external_over = ExportSettings::default().external_over;
    let drawn = check_networks(&space, wanted.checks, recipe.seed);
    let drawn = drawn.into_iter().filter(|drawn| !wanted.networks.contains(drawn));
    let checks: Vec<Architecture> = wanted.networks.iter().cloned().chain(drawn).collect();
    let settings = ProbeSettings {
        task,
        dimensions: &dimensions,
        tokens: sizes.tokens,
        regions: sizes.regions,
        forms: wanted.forms,
        int8: wanted.int8,
        external_over,
        checks: &checks,
        vision: wanted.vision,
    };
    // Any weights will do; the same ones every time keep the files the same.
    seed_torch(recipe.seed, "probes", 0);
    let weights = |architecture: &Architecture| {
        let network = derived_network(task, architecture, &dimensions).map_err(of_export)?;
        let mut weights = Vec::new();
        for (name, tensor) in network.parameters() {
            let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
            let values = Vec::<f32>::try_from(tensor.detach().flatten(0, -1));
            let values = values.map_err(|e| BundleError::invalid("probes", name, "32-bit numbers", e.to_string()))?;
            weights.push((name.clone(), Weight::new(&shape, values)));
        }
        Ok(weights.into_iter().collect::<Weights>())
    };
    Ok(write_probes(&planned, &settings, out, weights)?)
}

/// An error of ours where the export's is asked for.
fn of_export(error: crate::error::Error) -> mmnas_export::Error {
    match error {
        crate::error::Error::Export(error) => error,
        other => BundleError::invalid("probes", "architecture", "a network of the space", other.to_string()).into(),
    }
}
