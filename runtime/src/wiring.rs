//! Which tensors flow between the stages.

use std::path::Path;

use mmnas_bundle::manifest::{MANIFEST, Manifest, TaskName, TensorSpec, Vision};

use crate::{Error, Result};

/// Token ids, i64 `[batch, tokens]`.
pub(crate) const TOKENS: &str = "tokens";
/// Number of tokens of each text, i64 `[batch]`.
pub(crate) const TOKEN_COUNT: &str = "token_count";
/// Region features, f32 `[batch, regions, D]`.
pub(crate) const FEATURES: &str = "features";
/// Region boxes in pixels, f32 `[batch, regions, 4]`.
pub(crate) const BOXES: &str = "boxes";
/// Number of regions of each image, i64 `[batch]`.
pub(crate) const REGION_COUNT: &str = "region_count";
/// Pixels, u8 `[batch, height, width, 3]`.
pub(crate) const PIXELS: &str = "pixels";
/// Boxes in pixels of the vision stage's input, f32 `[batch, regions, 4]`.
pub(crate) const ROIS: &str = "rois";
/// The detector's scores of its classes for each region, 0 for a grid's cells, f32 `[batch, regions, classes]`.
pub(crate) const CLASS_SCORES: &str = "class_scores";
/// Logits of the backbone's classes, f32 `[batch, classes]`.
pub(crate) const CLASS_LOGITS: &str = "class_logits";
/// What the head gives for VQA and ITM, f32 `[batch, outputs]`.
pub(crate) const LOGITS: &str = "logits";
/// The regions' scores of VGD before the softmax over them, f32 `[batch, regions]`.
pub(crate) const SCORES: &str = "scores";
/// How much each word counts in the pooled text, f32 `[batch, tokens]`.
pub(crate) const TEXT_ATTENTION: &str = "text_attention";
/// How much each region counts in the pooled image, f32 `[batch, regions]`.
pub(crate) const REGION_ATTENTION: &str = "region_attention";
/// The embedding of a text: the joint one, f32 `[batch, joint]`, or for grounding the linear one, `[batch, region_joint]`.
pub(crate) const TEXT_EMBEDDING: &str = "text_embedding";
/// The joint embedding of an image, f32 `[batch, joint]`.
pub(crate) const IMAGE_EMBEDDING: &str = "image_embedding";
/// What the RSA blocks add to their scores, f32 `[batch, heads of all, regions, regions]`.
pub(crate) const RELATION_BIAS: &str = "relation_bias";
/// How the regions' boxes are to be moved (VGD), f32 `[batch, regions, 4]`.
pub(crate) const DELTAS: &str = "deltas";

/// Checks that every input of a stage has a source, so that a bundle that cannot run is refused when it is loaded.
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

/// Checks that the vision stage reads pixels, boxes and scores where there is a detector, and nothing else, and gives features;
/// `file` describes it.
pub(crate) fn check_vision(vision: &Vision, file: &Path) -> Result<()> {
    let sources = if vision.regions.detector().is_some() { &[PIXELS, ROIS, CLASS_SCORES][..] } else { &[PIXELS] };
    let sources: Vec<String> = sources.iter().map(|name| (*name).to_owned()).collect();
    check_sources(file, "vision.stage.inputs", &vision.stage.inputs, &sources)?;
    check_output(file, "vision.stage.outputs", &vision.stage.outputs, FEATURES)
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
