//! The end of writing a bundle.
//!
//! Its graphs are run, those that fail are left out, and the folder appears.

use std::collections::BTreeSet;
use std::path::Path;

use mmnas_bundle::manifest::{Graph, MANIFEST, Manifest, Measured, Stage};

use crate::bundle::model_card::model_card;
use crate::error::{Error, FailedGraphs, Result};
use crate::folder_writer::FolderWriter;

/// The model card.
pub(crate) const CARD: &str = "README.md";

/// Runs the graphs of a bundle that is not in its place yet.
///
/// It returns what they gave and took. The exporter itself holds no engine.
pub type Measure<'a> = dyn Fn(&Path) -> Result<Verified> + 'a;

/// What the graphs of a bundle gave beside what was recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// Difference and time of each form, those that failed too.
    pub measured: Vec<Measured>,
    /// The graphs that do not give what was recorded.
    pub failed: Vec<FailedGraphs>,
}

/// Verifies the graphs, describes the bundle and lets it appear.
///
/// The graphs run if there is a `measure`; those that fail are left out and returned. It is an error if no form of the
/// stages would be left.
pub(crate) fn finish(
    mut writer: FolderWriter,
    mut manifest: Manifest,
    measure: Option<&Measure<'_>>,
) -> Result<Vec<FailedGraphs>> {
    manifest.files = writer.files().clone();
    // As a reader will: a bundle that none would take does not appear.
    manifest.check(&writer.path().join(MANIFEST))?;
    let mut left_out = Vec::new();
    if let Some(measure) = measure {
        writer.describe(MANIFEST, &manifest)?;
        let mut found = measure(writer.path())?;
        if !found.failed.is_empty() {
            leave_out(&found.failed, &mut writer, &mut manifest)?;
            writer.describe(MANIFEST, &manifest)?;
            left_out = found.failed;
            // What stays is whole without what was left out.
            found = measure(writer.path())?;
            if !found.failed.is_empty() {
                return Err(Error::Unverified { failed: found.failed });
            }
        }
        manifest.measured = found.measured;
    }
    writer.add(CARD, model_card(&manifest).as_bytes())?;
    manifest.files = writer.files().clone();
    writer.describe(MANIFEST, &manifest)?;
    writer.finish()?;
    Ok(left_out)
}

/// Takes graphs out of the manifest.
///
/// Files that no graph refers to any more leave the folder.
fn leave_out(failed: &[FailedGraphs], writer: &mut FolderWriter, manifest: &mut Manifest) -> Result<()> {
    let files = |manifest: &Manifest| -> BTreeSet<String> {
        manifest.all_graphs().flat_map(Graph::files).map(str::to_owned).collect()
    };
    let before = files(manifest);
    let keep = |stage: &mut Stage, merged: bool| {
        stage.graphs.retain(|graph| !failed.iter().any(|f| f.merged == merged && f.form == graph.form()));
    };
    let stages = &mut manifest.stages;
    [&mut stages.text, &mut stages.image, &mut stages.fusion].into_iter().for_each(|stage| keep(stage, false));
    if stages.text.graphs.is_empty() {
        return Err(Error::Unverified { failed: failed.to_vec() });
    }
    if let Some(merged) = &mut manifest.merged {
        keep(merged, true);
    }
    manifest.merged = manifest.merged.take().filter(|merged| !merged.graphs.is_empty());
    for name in before.difference(&files(manifest)) {
        writer.remove(name)?;
    }
    manifest.files = writer.files().clone();
    Ok(())
}
