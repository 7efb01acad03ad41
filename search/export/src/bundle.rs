use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{
    BUNDLE_FORMAT, Dimensions, Dtype, Format, MANIFEST, Manifest, Provenance, Stages, TaskName, TextSettings,
};
use mmnas_bundle::{Architecture, FileRecord, NewFolder, TextEncoder, VisionBundle, write_atomically};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::blocks::Source;
use crate::vision::{BuiltStage, VISION_GRAPH};
use crate::{Error, Result, Weights, fusion_stage, image_stage, text_stage};

/// A recorded input or output of a stage; its name is made by [`mmnas_bundle::golden`].
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenTensor {
    /// `STAGE.in.NAME` or `STAGE.out.NAME`.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Row-major, little-endian.
    pub bytes: Vec<u8>,
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
    /// The answers, in the order of the logits (VQA).
    pub labels: &'a [String],
    /// The vision stage, where the bundle shall take pixels.
    pub vision: Option<&'a VisionBundle>,
    /// Recorded inputs and outputs of the text, image and fusion stages.
    pub golden: &'a [GoldenTensor],
    /// Figures measured before.
    pub metrics: BTreeMap<String, f64>,
    /// Where the network comes from.
    pub provenance: Provenance,
}

const TOKENIZER: &str = "tokenizer.json";
const LABELS: &str = "labels.json";
const GOLDEN: &str = "golden.safetensors";

fn safetensors_dtype(dtype: Dtype) -> safetensors::Dtype {
    match dtype {
        Dtype::F32 => safetensors::Dtype::F32,
        Dtype::I64 => safetensors::Dtype::I64,
        Dtype::U8 => safetensors::Dtype::U8,
    }
}

/// Recorded tensors as the content of a safetensors file.
pub(crate) fn golden_file(tensors: &[GoldenTensor]) -> Result<Vec<u8>> {
    let wrong = |name: &str, e: safetensors::SafeTensorError| {
        mmnas_bundle::Error::invalid(GOLDEN, name, "a consistent tensor", e)
    };
    let view = |t| {
        let t: &GoldenTensor = t;
        let view = TensorView::new(safetensors_dtype(t.dtype), t.shape.clone(), &t.bytes);
        Ok((&t.name, view.map_err(|e| wrong(&t.name, e))?))
    };
    let views = tensors.iter().map(view).collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None).map_err(|e| wrong("(file)", e))?)
}

/// The recorded tensors of a vision stage.
fn vision_golden(vision: &VisionBundle) -> Result<Vec<GoldenTensor>> {
    let name = &vision.manifest().golden;
    let content = vision.read(name)?;
    let wrong = |found: String| mmnas_bundle::Error::invalid(name, "(file)", "safetensors with f32, i64 or u8", found);
    let tensors = SafeTensors::deserialize(&content).map_err(|e| wrong(e.to_string()))?;
    let golden = |(name, view): (&str, TensorView<'_>)| {
        let known = [Dtype::F32, Dtype::I64, Dtype::U8].into_iter().find(|d| safetensors_dtype(*d) == view.dtype());
        let dtype = known.ok_or_else(|| wrong(format!("{name} of {:?}", view.dtype())))?;
        Ok(GoldenTensor { name: name.to_owned(), dtype, shape: view.shape().to_vec(), bytes: view.data().to_vec() })
    };
    tensors.iter().map(golden).collect()
}

/// Writes a bundle to the new folder `out`, which appears complete or not at all.
pub fn write_bundle(parts: &BundleParts<'_>, out: &Path) -> Result<()> {
    if parts.task != TaskName::Vqa {
        return Err(Error::Task { task: parts.task });
    }
    if parts.labels.len() != parts.dimensions.outputs {
        let expected = format!("{} answers, one an output", parts.dimensions.outputs);
        return Err(mmnas_bundle::Error::invalid(LABELS, "(list)", expected, parts.labels.len()).into());
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
    let folder = NewFolder::create(out)?;
    let source = Source { weights: parts.weights, dimensions: parts.dimensions };
    let text: BuiltStage = text_stage::build(source, parts.architecture)?.into();
    let image: BuiltStage = image_stage::build(source, parts.architecture)?.into();
    let fusion: BuiltStage = fusion_stage::build(source, parts.architecture)?.into();
    let stages =
        Stages { text: text.stage("text.onnx"), image: image.stage("image.onnx"), fusion: fusion.stage("fusion.onnx") };
    let mut golden = parts.golden.to_vec();
    let labels = serde_json::to_vec(parts.labels).map_err(|e| mmnas_bundle::Error::json(LABELS, &e))?;
    let mut files = vec![
        ("text.onnx", text.bytes),
        ("image.onnx", image.bytes),
        ("fusion.onnx", fusion.bytes),
        (TOKENIZER, parts.tokenizer.as_bytes().to_vec()),
        (LABELS, labels),
    ];
    let mut vision = None;
    if let Some(bundle) = parts.vision {
        golden.extend(vision_golden(bundle)?);
        let graph = bundle.vision().stage.graphs.first().map_or(VISION_GRAPH, |g| g.file.as_str());
        files.push((VISION_GRAPH, bundle.read(graph)?));
        let mut described = bundle.vision().clone();
        described.stage.graphs.truncate(1);
        for graph in &mut described.stage.graphs {
            graph.file = VISION_GRAPH.to_owned();
        }
        vision = Some(described);
    }
    files.push((GOLDEN, golden_file(&golden)?));
    let manifest = Manifest {
        format: Format::current(BUNDLE_FORMAT),
        task: parts.task,
        architecture: parts.architecture.clone(),
        dimensions: parts.dimensions.clone(),
        parameters: parts.weights.count(),
        text: TextSettings { tokenizer: TOKENIZER.to_owned(), max_tokens: parts.max_tokens },
        stages,
        vision,
        labels: Some(LABELS.to_owned()),
        golden: Some(GOLDEN.to_owned()),
        metrics: parts.metrics.clone(),
        provenance: parts.provenance.clone(),
        files: files.iter().map(|(name, content)| ((*name).to_owned(), FileRecord::of(content))).collect(),
    };
    for (name, content) in &files {
        write_atomically(&folder.path().join(name), content)?;
    }
    let file = folder.path().join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
    write_atomically(&file, text.as_bytes())?;
    Ok(folder.finish()?)
}
