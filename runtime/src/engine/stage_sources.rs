//! Checks that the stages of a manifest fit together: every input has a source.

use std::path::Path;

use mmnas_bundle::manifest::{MANIFEST, Manifest, RegionSource, TaskName, TensorSpec, Vision};

use crate::engine::tensor_names::{
    BOXES, CLASS_SCORES, DELTAS, FEATURES, LOGITS, PIXELS, REGION_COUNT, RELATION_BIAS, ROIS, SCORES, TOKEN_COUNT,
    TOKENS,
};
use crate::error::{Error, Result};

/// Checks that every input of a stage has a source.
///
/// A bundle that cannot run is so refused when it is loaded.
pub(crate) fn check(manifest: &Manifest, folder: &Path) -> Result<()> {
    let file = folder.join(MANIFEST);
    let stages = &manifest.stages;
    let names = |specs: &[TensorSpec]| specs.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let (text, image) = (names(&stages.text.outputs), names(&stages.image.outputs));
    if let Some(twice) = text.iter().find(|name| image.contains(name)) {
        let found = format!("{twice:?} in both");
        return Err(Error::invalid(&file, "stages.image.outputs", "other names than the text stage's outputs", found));
    }
    let states = [text, image, owned(&[TOKEN_COUNT, REGION_COUNT])].concat();
    check_sources(&file, "stages.text.inputs", &stages.text.inputs, &owned(&[TOKENS, TOKEN_COUNT]))?;
    check_sources(&file, "stages.image.inputs", &stages.image.inputs, &owned(&[FEATURES, BOXES, REGION_COUNT]))?;
    check_sources(&file, "stages.fusion.inputs", &stages.fusion.inputs, &states)?;
    let of_head: &[&str] = match manifest.task {
        TaskName::Vqa | TaskName::Itm => &[LOGITS],
        TaskName::Vgd => &[SCORES, DELTAS],
    };
    let merged = manifest.merged.as_ref();
    if let Some(merged) = merged {
        let sources = owned(&[TOKENS, TOKEN_COUNT, FEATURES, BOXES, REGION_COUNT]);
        check_sources(&file, "merged.inputs", &merged.inputs, &sources)?;
    }
    let heads = [("stages.fusion.outputs", &stages.fusion)].into_iter().chain(merged.map(|m| ("merged.outputs", m)));
    for (field, stage) in heads {
        of_head.iter().try_for_each(|name| check_output(&file, field, &stage.outputs, name))?;
    }
    if let Some(relation) = &manifest.relation {
        check_sources(&file, "relation.inputs", &relation.inputs, &owned(&[BOXES]))?;
        check_output(&file, "relation.outputs", &relation.outputs, RELATION_BIAS)?;
    }
    manifest.vision.as_ref().map_or(Ok(()), |vision| check_vision(vision, &file))
}

/// Checks what a vision stage, which `file` describes, reads and gives.
///
/// It reads pixels and, with a detector, boxes and scores, and gives features; where it finds the regions, boxes and
/// scores too.
pub(crate) fn check_vision(vision: &Vision, file: &Path) -> Result<()> {
    let sources = if vision.regions.detector().is_some() { &[PIXELS, ROIS, CLASS_SCORES][..] } else { &[PIXELS] };
    let sources: Vec<String> = sources.iter().map(|name| (*name).to_owned()).collect();
    check_sources(file, "vision.stage.inputs", &vision.stage.inputs, &sources)?;
    let found = matches!(vision.regions, RegionSource::Found { .. });
    let outputs = if found { &[FEATURES, BOXES, SCORES][..] } else { &[FEATURES] };
    outputs.iter().try_for_each(|name| check_output(file, "vision.stage.outputs", &vision.stage.outputs, name))
}

fn check_output(file: &Path, field: &str, outputs: &[TensorSpec], name: &str) -> Result<()> {
    if outputs.iter().any(|spec| spec.name == name) {
        return Ok(());
    }
    Err(Error::invalid(file, field, format!("an output {name:?}"), "none"))
}

fn check_sources(file: &Path, field: &str, inputs: &[TensorSpec], sources: &[String]) -> Result<()> {
    match inputs.iter().find(|spec| !sources.contains(&spec.name)) {
        Some(spec) => {
            let expected = format!("names among {}", sources.join(", "));
            Err(Error::invalid(file, field, expected, format!("{:?}", spec.name)))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::Dtype;

    use super::*;

    #[test]
    fn an_input_without_a_source_is_named() {
        let inputs = [TensorSpec::new(TOKENS, Dtype::I64, &["batch", "tokens"])];
        let sources = [TOKENS.to_owned()];
        assert!(check_sources(Path::new("m"), "stages.text.inputs", &inputs, &sources).is_ok());
        let error = check_sources(Path::new("m"), "stages.text.inputs", &inputs, &[BOXES.to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "m: stages.text.inputs: expected names among boxes, found \"tokens\"");
    }
}
