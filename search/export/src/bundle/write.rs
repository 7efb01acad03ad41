//! Writes a bundle.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{
    AnswerScores, BUNDLE_FORMAT, Dimensions, Form, Format, MANIFEST, Manifest, Precision, Provenance, RegionSource,
    Stage, Stages, TaskName, TextSettings, Variant, Vision,
};
use mmnas_bundle::{Architecture, TextEncoder, VisionBundle};

use crate::bundle::verified::{Measure, finish};
use crate::error::{Error, FailedGraphs, Result};
use crate::folder_writer::FolderWriter;
use crate::golden::{GOLDEN, GoldenTensor, golden_file, vision_golden};
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::onnx::model::OPSET;
use crate::onnx::model::{BuiltGraph, stage_of};
use crate::stages::{fusion, image, text};
use crate::vision::settings::DETECTOR_GRAPH;
use crate::vision::write::VISION_GRAPH;
use crate::weights::Weights;
use crate::weights::int8::Int8Scheme;

/// What is written of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// The forms of the graphs, at least one.
    pub forms: Vec<Form>,
    /// Whether the whole network is written as one graph too.
    ///
    /// That graph is of the `portable` variant, once for every precision of `forms`.
    pub merged: bool,
    /// How the fused operators compute with weights in 8 bits.
    pub int8: Int8Scheme,
    /// Most bytes of weights that are stored in a graph.
    ///
    /// Above it they have a file of their own, which engines map instead of reading: a load takes two thirds of the
    /// time. ONNX files end at 2 GiB.
    pub external_over: u64,
}

impl Default for ExportSettings {
    /// Fused operators in 32 bits and in 8.
    fn default() -> ExportSettings {
        let int8 = Form { variant: Variant::Ort, precision: Precision::Int8 };
        ExportSettings {
            forms: vec![Form::ORT_FP32, int8],
            merged: false,
            int8: Int8Scheme::default(),
            external_over: 4 << 20,
        }
    }
}

/// Everything that a bundle holds.
#[derive(Debug)]
pub struct BundleParts<'a> {
    /// What the network is for.
    pub task: TaskName,
    /// The derived architecture.
    pub architecture: &'a Architecture,
    /// Sizes of the network.
    pub dimensions: &'a Dimensions,
    /// Parameters under their published names.
    pub weights: &'a Weights,
    /// Texts are cut to this many tokens.
    pub max_tokens: usize,
    /// Content of the tokenizer's file.
    pub tokenizer: &'a str,
    /// The answers, in the order of the logits (VQA); empty for other tasks.
    pub labels: &'a [String],
    /// How the answers' probabilities follow from the logits.
    pub answer_scores: AnswerScores,
    /// The vision stage, where the bundle shall take pixels.
    pub vision: Option<&'a VisionBundle>,
    /// Which features the network was trained on, where it is known: see [`Manifest::features_sha256`].
    pub features_sha256: Option<String>,
    /// Recorded inputs and outputs of the text, image and fusion stages.
    pub golden: &'a [GoldenTensor],
    /// Results measured before.
    pub metrics: BTreeMap<String, f64>,
    /// Where the network comes from.
    pub provenance: Provenance,
    /// Licence of the weights, where it is known.
    pub licence: Option<String>,
    /// Which graphs are written.
    pub settings: ExportSettings,
}

/// The one form of the relation biases.
///
/// They are computed in 32 bits in every form.
const RELATION_FORM: Form = Form { variant: Variant::Portable, precision: Precision::Fp32 };
const RELATION_GRAPH: &str = "relation.onnx";
const TOKENIZER: &str = "tokenizer.json";
const LABELS: &str = "labels.json";

/// File name of a stage's graph.
fn graph_file(stage: &str, form: Form) -> String {
    if form == Form::ORT_FP32 { format!("{stage}.onnx") } else { format!("{stage}.{form}.onnx") }
}

/// File name of the merged graph.
fn merged_file(precision: Precision) -> String {
    if precision == Precision::Fp32 { "model.onnx".to_owned() } else { format!("model.{}.onnx", precision.name()) }
}

/// Checks what can be before anything is written.
fn check(parts: &BundleParts<'_>) -> Result<()> {
    let answers = if parts.task == TaskName::Vqa { parts.dimensions.outputs } else { 0 };
    if parts.labels.len() != answers {
        let expected = format!("{answers} answers");
        return Err(mmnas_bundle::Error::invalid(LABELS, "(list)", expected, parts.labels.len()).into());
    }
    if parts.task != TaskName::Vqa && parts.dimensions.outputs != 1 {
        let expected = format!("1 for the task {}", parts.task);
        return Err(
            mmnas_bundle::Error::invalid(MANIFEST, "dimensions.outputs", expected, parts.dimensions.outputs).into()
        );
    }
    if parts.settings.forms.is_empty() {
        return Err(mmnas_bundle::Error::invalid(MANIFEST, "stages.text.graphs", "at least one form", "none").into());
    }
    let words = TextEncoder::from_json(parts.tokenizer, Path::new(TOKENIZER))?.vocabulary_size();
    if words > parts.dimensions.vocabulary {
        let expected = format!("ids below {}", parts.dimensions.vocabulary);
        return Err(mmnas_bundle::Error::invalid(
            TOKENIZER,
            "model.vocab",
            expected,
            format!("an id of {}", words - 1),
        )
        .into());
    }
    Ok(())
}

/// Writes the graphs of one stage.
///
/// It goes form by form, so that only one graph is held at a time.
fn write_stage(
    writer: &mut FolderWriter,
    forms: &[(Form, String)],
    limit: u64,
    build: impl Fn(Form) -> Result<Graph>,
) -> Result<Stage> {
    let mut written = Vec::new();
    for (form, file) in forms {
        let graph = BuiltGraph::new(build(*form)?, *form, file.clone(), limit)?;
        written.push(writer.add_graph(graph)?);
    }
    Ok(stage_of(&written))
}

/// Copies the vision stage, which has one graph, and its detector.
fn write_vision_stage(writer: &mut FolderWriter, bundle: &VisionBundle) -> Result<Vision> {
    let graph = bundle.vision().stage.graphs.first().map_or(VISION_GRAPH, |g| g.file.as_str());
    writer.add(VISION_GRAPH, &bundle.read(graph)?)?;
    let mut described = bundle.vision().clone();
    described.stage.graphs.truncate(1);
    for graph in &mut described.stage.graphs {
        graph.file = VISION_GRAPH.to_owned();
    }
    if let RegionSource::Proposals { detector, .. } = &mut described.regions {
        writer.add(DETECTOR_GRAPH, &bundle.read(&detector.graph)?)?;
        detector.graph = DETECTOR_GRAPH.to_owned();
    }
    Ok(described)
}

/// Writes a bundle to the new folder `out`, complete or not at all.
///
/// If there is a `measure`, it runs the graphs before the folder appears, so that manifest and model card say what they
/// gave and took. Graphs that do not give what was recorded are left out, and returned.
///
/// # Errors
/// Parts that do not fit each other; a folder that cannot be written; no form that gives what was recorded.
pub fn write_bundle(parts: &BundleParts<'_>, out: &Path, measure: Option<&Measure<'_>>) -> Result<Vec<FailedGraphs>> {
    check(parts)?;
    let mut writer = FolderWriter::create(out)?;
    let (parameters, limit) =
        (Parameters { weights: parts.weights, dimensions: parts.dimensions }, parts.settings.external_over);
    let forms = |stage: &str| -> Vec<(Form, String)> {
        parts.settings.forms.iter().map(|form| (*form, graph_file(stage, *form))).collect()
    };
    let (w, arch) = (&mut writer, parts.architecture);
    let start = |name: &str, form: Form| Graph::new(name, form).with_int8(parts.settings.int8);
    let stages = Stages {
        text: write_stage(w, &forms("text"), limit, |form| text::build(parameters, arch, start("text", form)))?,
        image: write_stage(w, &forms("image"), limit, |form| image::build(parameters, arch, start("image", form)))?,
        fusion: write_stage(w, &forms("fusion"), limit, |form| {
            fusion::build(parameters, arch, parts.task, start("fusion", form))
        })?,
    };
    let merged = parts.settings.merged.then(|| {
        let mut precisions: Vec<Precision> = parts.settings.forms.iter().map(|form| form.precision).collect();
        precisions.sort_unstable();
        precisions.dedup();
        let form = |precision| (Form { variant: Variant::Portable, precision }, merged_file(precision));
        let forms: Vec<(Form, String)> = precisions.into_iter().map(form).collect();
        write_stage(w, &forms, limit, |form| fusion::build_merged(parameters, arch, parts.task, start("network", form)))
    });
    let merged = merged.transpose()?;
    let relation = image::build_relations(parameters, arch, Graph::new("relation", RELATION_FORM))?;
    let relation = relation.map(|graph| {
        let graph = w.add_graph(BuiltGraph::new(graph, RELATION_FORM, RELATION_GRAPH.to_owned(), limit)?)?;
        Ok::<_, Error>(stage_of(&[graph]))
    });
    let relation = relation.transpose()?;
    w.add(TOKENIZER, parts.tokenizer.as_bytes())?;
    let labels = (parts.task == TaskName::Vqa).then(|| LABELS.to_owned());
    if labels.is_some() {
        w.add(LABELS, &serde_json::to_vec(parts.labels).map_err(|e| mmnas_bundle::Error::json(LABELS, &e))?)?;
    }
    let vision = parts.vision.map(|bundle| write_vision_stage(w, bundle)).transpose()?;
    let mut golden = parts.golden.to_vec();
    if let Some(bundle) = parts.vision {
        golden.extend(vision_golden(bundle)?);
    }
    w.add(GOLDEN, &golden_file(&golden)?)?;
    let manifest = Manifest {
        format: Format::current(BUNDLE_FORMAT),
        task: parts.task,
        architecture: parts.architecture.clone(),
        dimensions: parts.dimensions.clone(),
        parameters: parts.weights.count(),
        text: TextSettings { tokenizer: TOKENIZER.to_owned(), max_tokens: parts.max_tokens },
        stages,
        merged,
        relation,
        // Where there is a vision stage, it says so itself.
        features_sha256: parts.features_sha256.clone().filter(|_| parts.vision.is_none()),
        vision,
        opset: u32::try_from(OPSET).ok(),
        labels,
        answer_scores: parts.answer_scores,
        golden: Some(GOLDEN.to_owned()),
        metrics: parts.metrics.clone(),
        measured: Vec::new(),
        licence: parts.licence.clone(),
        provenance: parts.provenance.clone(),
        files: Default::default(),
    };
    finish(writer, manifest, measure)
}
