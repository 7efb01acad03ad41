//! `features`, `boxes`, `region_count` → image state: the projected regions after the blocks before the first that reads
//! the text (GA), and the relation biases of the RSA blocks from there on.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dtype;

use crate::Result;
use crate::blocks::Side;
use crate::graph::Graph;
use crate::int8::evened_rows;
use crate::layers::Product;
use crate::linear_embedding;
use crate::mask::Mask;
use crate::regions::relation_biases;
use crate::source::{Source, decoder_prefix};
use crate::states::{ImageState, embeddings, relation_readers};

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(source: Source<'_>, architecture: &Architecture, mut graph: Graph) -> Result<Graph> {
    let g = &mut graph;
    let (mut state, features) = image(source, g, architecture)?;
    if let Some(embedding) = embedding(source, g, &mut state, &features)? {
        embeddings(source.dimensions).iter().for_each(|[_, of_image]| of_image.output(g, &embedding));
    }
    g.output(&state.regions, "regions", &["batch", "regions", &source.dimensions.hidden.to_string()]);
    if let Some(biases) = &state.biases {
        let heads = late_heads(source, architecture)?.iter().map(|(_, heads)| heads).sum::<usize>();
        g.logarithm_output(biases, "relation_bias", &["batch", &heads.to_string(), "regions", "regions"]);
    }
    Ok(graph)
}

/// The relation biases of the image state alone, from boxes; none where the image state has none.
pub(crate) fn build_relations(
    source: Source<'_>,
    architecture: &Architecture,
    mut graph: Graph,
) -> Result<Option<Graph>> {
    let first = architecture.image_blocks();
    let mut readers = relation_readers(source, architecture)?;
    readers.retain(|reader| reader.block >= first);
    if readers.is_empty() {
        return Ok(None);
    }
    let g = &mut graph;
    let boxes = g.input("boxes", Dtype::F32, &["batch", "regions", "4"]);
    let biases = relation_biases(source, g, &boxes, &readers)?;
    let heads = readers.iter().map(|reader| reader.heads).sum::<usize>();
    g.logarithm_output(&biases, "relation_bias", &["batch", &heads.to_string(), "regions", "regions"]);
    Ok(Some(graph))
}

/// The blocks that read relations from the first one on that reads the text, with their numbers of heads.
pub(crate) fn late_heads(source: Source<'_>, architecture: &Architecture) -> Result<Vec<(usize, usize)>> {
    let first = architecture.image_blocks();
    let readers = relation_readers(source, architecture)?;
    Ok(readers.into_iter().filter(|r| r.block >= first).map(|r| (r.block, r.heads)).collect())
}

/// The image's joint embedding or the linear ones of its regions, as [`embeddings`] says, where the network has either; `features`
/// are those of the regions, `[batch, regions, D]`.
pub(crate) fn embedding(
    source: Source<'_>,
    g: &mut Graph,
    state: &mut ImageState,
    features: &str,
) -> Result<Option<String>> {
    let d = source.dimensions;
    match (d.joint, d.region_joint) {
        (Some(joint), _) => joint_embedding(source, g, (state, features), joint).map(Some),
        (None, Some(width)) => linear_embedding::regions(source, g, features, width).map(Some),
        (None, None) => Ok(None),
    }
}

fn joint_embedding(
    source: Source<'_>,
    g: &mut Graph,
    (state, features): (&mut ImageState, &str),
    joint: usize,
) -> Result<String> {
    let (pooled, attention) = source.att_flat(g, &state.regions, &mut state.mask, "attflat_e")?;
    let seen = if source.dimensions.joint_features {
        let attention = g.unsqueeze(&attention, &[1]);
        let mean = g.node("MatMul", &[&attention, features], vec![]);
        let mean = g.squeeze(&mean, &[1]);
        Some(of_features(source, g, &mean, ("embed_f", joint - source.joint_linear()))?)
    } else {
        None
    };
    let own = source.embedding(g, &pooled, "embed_y", joint, seen.as_deref())?;
    match source.joint_linear() {
        0 => Ok(own),
        linear => {
            let linear = linear_embedding::image(source, g, (features, &mut state.mask), linear)?;
            linear_embedding::beside(source, g, &linear, &own)
        }
    }
}

/// A linear layer of features. In 8 bits each feature is first multiplied by a factor and its weights divided by it:
/// features differ by orders of magnitude (maps, boxes, scores of classes), and a scale for all of them would round to
/// nothing what is small and counts.
pub(crate) fn of_features(
    source: Source<'_>,
    g: &mut Graph,
    features: &str,
    (layer, outputs): (&str, usize),
) -> Result<String> {
    let inputs = source.dimensions.feature;
    if !g.is_int8() {
        return source.linear(g, features, layer, inputs, outputs);
    }
    let (matrix, bias) = (source.matrix(layer, inputs, outputs)?, source.bias(layer, outputs)?);
    let (factors, even) = evened_rows(&matrix, source.weights.feature_sizes());
    let factors = g.weight(&format!("{layer}.factors"), &factors);
    let features = g.node("Mul", &[features, &factors], vec![]);
    let (weight_name, bias_name) = (format!("{layer}.weight"), format!("{layer}.bias"));
    let product = Product { name: &weight_name, matrix: &even, bias: Some((&bias_name, bias)) };
    Ok(g.product(&features, &product))
}

/// The image's side of the network, and the features that it reads, `[batch, regions, D]`.
pub(crate) fn image(source: Source<'_>, g: &mut Graph, architecture: &Architecture) -> Result<(ImageState, String)> {
    let d = source.dimensions;
    let features = g.float_input("features", &["batch", "regions", &d.feature.to_string()]);
    let mut mask = Mask::new("region_count", &features, 1);
    let first = architecture.image_blocks();
    let readers = relation_readers(source, architecture)?;
    let (early, late) = readers.split_at(readers.partition_point(|reader| reader.block < first));
    let (mut biases, mut late_biases) = (BTreeMap::new(), None);
    if !readers.is_empty() {
        // In 32 bits: logarithms of small numbers.
        let boxes = g.input("boxes", Dtype::F32, &["batch", "regions", "4"]);
        let all = g.in_f32(|g| relation_biases(source, g, &boxes, &readers))?;
        let all = g.cast(&all, g.float());
        // Those of the blocks from there on stay together.
        let of_late = late.iter().map(|reader| reader.heads).sum::<usize>();
        let heads: Vec<usize> =
            early.iter().map(|reader| reader.heads).chain((of_late > 0).then_some(of_late)).collect();
        let mut parts = g.split(&all, 1, &heads);
        late_biases = (of_late > 0).then(|| parts.pop()).flatten();
        biases.extend(early.iter().map(|reader| reader.block).zip(parts));
    }
    let mut y = of_features(source, g, &features, ("imgfeat_linear", d.hidden))?;
    for (block, operation) in architecture.decoder[..first].iter().enumerate() {
        let bias = biases.get(&block).map(String::as_str);
        y = source.block(g, &y, *operation, &decoder_prefix(block), Side { own: &mut mask, text: None, bias })?;
    }
    Ok((ImageState { regions: y, biases: late_biases, mask }, features))
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::{Dimensions, Form, Precision};

    use super::*;
    use crate::{Weight, Weights};

    /// What a feature gives at most is shared by its factor and its weights, where its size is known.
    #[test]
    fn in_8_bits_features_have_factors_by_their_sizes() {
        let dimensions = Dimensions {
            hidden: 2,
            feature: 2,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 1,
            head: 1,
            relation: 1,
            joint: None,
            joint_features: false,
            joint_linear: None,
            region_joint: None,
        };
        let mut weights: Weights = [
            ("imgfeat_linear.weight".to_owned(), Weight::new(&[2, 2], vec![8.0, 0.5, -2.0, 3.0])),
            ("imgfeat_linear.bias".to_owned(), Weight::new(&[2], vec![0.0; 2])),
        ]
        .into_iter()
        .collect();
        let factors = |weights: &Weights| -> Vec<f32> {
            let mut g = Graph::new("image", Form { precision: Precision::Int8, ..Form::ORT_FP32 });
            of_features(Source { weights, dimensions: &dimensions }, &mut g, "features", ("imgfeat_linear", 2))
                .unwrap();
            let found =
                g.proto.initializer.iter().find(|i| i.name.as_deref() == Some("imgfeat_linear.factors")).unwrap();
            let bytes = found.raw_data.as_deref().unwrap();
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        assert_eq!(factors(&weights), [8.0, 3.0]);
        weights.fold_feature_norm(&[0.0, 10.0], &[0.5, 0.5]).unwrap();
        // The weights are doubled by the deviations; the features are at most 2 and 12.
        assert_eq!(factors(&weights), [8f32.sqrt(), 0.5f32.sqrt()]);
    }
}
