//! The image stage: `features`, `boxes`, `region_count` → image state.
//!
//! The state is the projected regions after the blocks before the first that reads the text (GA), and the relation
//! biases of the RSA blocks from there on.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::{Dtype, EmbeddingDimensions};
use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::blocks::Side;
use crate::network::features::of_features;
use crate::network::linear_embedding;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::stages::relations::relation_biases;
use crate::stages::states::{ImageState, embeddings, relation_readers};

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(parameters: Parameters<'_>, architecture: &Architecture, mut graph: Graph) -> Result<Graph> {
    let g = &mut graph;
    let (mut state, features) = image(parameters, g, architecture)?;
    if let Some(embedding) = embedding(parameters, g, &mut state, &features)? {
        embeddings(parameters.dimensions).iter().for_each(|[_, of_image]| of_image.output(g, &embedding));
    }
    g.output(&state.regions, "regions", &["batch", "regions", &parameters.dimensions.hidden.to_string()]);
    if let Some(biases) = &state.biases {
        let heads = late_heads(parameters, architecture)?.iter().map(|(_, heads)| heads).sum::<usize>();
        g.logarithm_output(biases, "relation_bias", &["batch", &heads.to_string(), "regions", "regions"]);
    }
    Ok(graph)
}

/// The relation biases alone, from boxes; none if there are none.
pub(crate) fn build_relations(
    parameters: Parameters<'_>,
    architecture: &Architecture,
    mut graph: Graph,
) -> Result<Option<Graph>> {
    let first = architecture.image_blocks();
    let mut readers = relation_readers(parameters, architecture)?;
    readers.retain(|reader| reader.block >= first);
    if readers.is_empty() {
        return Ok(None);
    }
    let g = &mut graph;
    let boxes = g.input("boxes", Dtype::F32, &["batch", "regions", "4"]);
    let biases = relation_biases(parameters, g, &boxes, &readers)?;
    let heads = readers.iter().map(|reader| reader.heads).sum::<usize>();
    g.logarithm_output(&biases, "relation_bias", &["batch", &heads.to_string(), "regions", "regions"]);
    Ok(Some(graph))
}

/// The late blocks that read relations, with their numbers of heads.
///
/// Late blocks are those from the first on that reads the text.
pub(crate) fn late_heads(parameters: Parameters<'_>, architecture: &Architecture) -> Result<Vec<(usize, usize)>> {
    let first = architecture.image_blocks();
    let readers = relation_readers(parameters, architecture)?;
    Ok(readers.into_iter().filter(|r| r.block >= first).map(|r| (r.block, r.heads)).collect())
}

/// The image's embedding by the dual encoder, or the linear ones of its regions.
///
/// There is none if the network has neither; see [`embeddings`]. `features` are those of the regions, `[batch, regions,
/// D]`.
pub(crate) fn embedding(
    parameters: Parameters<'_>,
    g: &mut Graph,
    state: &mut ImageState,
    features: &str,
) -> Result<Option<String>> {
    match parameters.dimensions.embeddings {
        None => Ok(None),
        Some(EmbeddingDimensions::Regions { width }) => {
            linear_embedding::regions(parameters, g, features, width).map(Some)
        }
        Some(EmbeddingDimensions::DualEncoder { width, features: read, linear }) => {
            let own = width - linear.unwrap_or(0);
            let own = dual_encoder(parameters, g, (state, features), own, read)?;
            let Some(linear) = linear else { return Ok(Some(own)) };
            let linear = linear_embedding::image(parameters, g, (features, &mut state.mask), linear)?;
            linear_embedding::beside(parameters, g, &linear, &own).map(Some)
        }
    }
}

/// What the dual encoder itself gives of an image, `width` numbers; whether it reads the features is `reads_features`.
fn dual_encoder(
    parameters: Parameters<'_>,
    g: &mut Graph,
    (state, features): (&mut ImageState, &str),
    width: usize,
    reads_features: bool,
) -> Result<String> {
    let (pooled, attention) = parameters.att_flat(g, &state.regions, &mut state.mask, param_names::ATTFLAT_E)?;
    let seen = if reads_features {
        let attention = g.unsqueeze(&attention, &[1]);
        let mean = g.node("MatMul", &[&attention, features], vec![]);
        let mean = g.squeeze(&mean, &[1]);
        Some(of_features(parameters, g, &mean, (param_names::EMBED_F, width))?)
    } else {
        None
    };
    parameters.embedding(g, &pooled, param_names::EMBED_Y, width, seen.as_deref())
}

/// The image's side of the network, and the features that it reads, `[batch, regions, D]`.
pub(crate) fn image(
    parameters: Parameters<'_>,
    g: &mut Graph,
    architecture: &Architecture,
) -> Result<(ImageState, String)> {
    let d = parameters.dimensions;
    let features = g.float_input("features", &["batch", "regions", &d.feature.to_string()]);
    let mut mask = Mask::new("region_count", &features, 1);
    let first = architecture.image_blocks();
    let readers = relation_readers(parameters, architecture)?;
    let (early, late) = readers.split_at(readers.partition_point(|reader| reader.block < first));
    let (mut biases, mut late_biases) = (BTreeMap::new(), None);
    if !readers.is_empty() {
        // In 32 bits: logarithms of small numbers.
        let boxes = g.input("boxes", Dtype::F32, &["batch", "regions", "4"]);
        let all = g.in_f32(|g| relation_biases(parameters, g, &boxes, &readers))?;
        let all = g.cast(&all, g.float());
        // Those of the blocks from there on stay together.
        let of_late = late.iter().map(|reader| reader.heads).sum::<usize>();
        let heads: Vec<usize> =
            early.iter().map(|reader| reader.heads).chain((of_late > 0).then_some(of_late)).collect();
        let mut parts = g.split(&all, 1, &heads);
        late_biases = (of_late > 0).then(|| parts.pop()).flatten();
        biases.extend(early.iter().map(|reader| reader.block).zip(parts));
    }
    let mut y = of_features(parameters, g, &features, (param_names::IMGFEAT_LINEAR, d.hidden))?;
    for (block, operation) in architecture.decoder[..first].iter().enumerate() {
        let bias = biases.get(&block).map(String::as_str);
        y = parameters.block(
            g,
            &y,
            *operation,
            &param_names::decoder_block(block),
            Side { own: &mut mask, text: None, bias },
        )?;
    }
    Ok((ImageState { regions: y, biases: late_biases, mask }, features))
}
