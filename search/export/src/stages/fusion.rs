//! The fusion stage: text state, image state → the head's output.
//!
//! It holds the decoder from its first block on that reads the text (GA), and the head.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::blocks::Side;
use crate::network::head::head;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::stages::image::{self, late_heads};
use crate::stages::states::{ImageState, embeddings, text_readers};
use crate::stages::text;

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(
    parameters: Parameters<'_>,
    architecture: &Architecture,
    task: TaskName,
    mut graph: Graph,
) -> Result<Graph> {
    let h = parameters.dimensions.hidden;
    let g = &mut graph;
    let regions = g.float_input("regions", &["batch", "regions", &h.to_string()]);
    let mask = Mask::new("region_count", &regions, 1);
    let late = late_heads(parameters, architecture)?;
    let total = late.iter().map(|(_, heads)| heads).sum::<usize>().to_string();
    let biases = (!late.is_empty()).then(|| g.float_input("relation_bias", &["batch", &total, "regions", "regions"]));
    let image = ImageState { regions, biases, mask };
    let mut keys_values = BTreeMap::new();
    for reader in text_readers(parameters, architecture)? {
        let shape = ["batch", &reader.heads.to_string(), "tokens", &reader.head.to_string()];
        let part = |g: &mut Graph, name: &str| g.float_input(&format!("{name}_{}", reader.block), &shape);
        keys_values.insert(reader.block, (part(g, "key"), part(g, "value")));
    }
    // Where no block reads the text there is no key, and nothing asks for the mask.
    let first_key = keys_values.values().next().map_or_else(String::new, |(key, _)| key.clone());
    let mask = Mask::new("token_count", &first_key, 2);
    let pooled = g.float_input("text_pooled", &["batch", &(2 * h).to_string()]);
    let joint = embeddings(parameters.dimensions).map(|[of_text, of_image]| (of_text.input(g), of_image.input(g)));
    fuse(parameters, g, (architecture, task), (pooled.as_str(), keys_values, mask), image, joint)?;
    Ok(graph)
}

/// The whole network in one graph, which begins as `graph`.
pub(crate) fn build_merged(
    parameters: Parameters<'_>,
    architecture: &Architecture,
    task: TaskName,
    mut graph: Graph,
) -> Result<Graph> {
    let g = &mut graph;
    let mut text = text::text(parameters, g, architecture)?;
    let (mut image, features) = image::image(parameters, g, architecture)?;
    let of_text = text::embedding(parameters, g, &mut text)?;
    let joint = of_text.zip(image::embedding(parameters, g, &mut image, &features)?);
    fuse(parameters, g, (architecture, task), (&text.pooled, text.keys_values, text.mask), image, joint)?;
    Ok(graph)
}

/// The late blocks of the decoder, and the head; declares the outputs.
///
/// The late blocks are those from the first on that reads the text. The `joint` embeddings of text and image, or of
/// regions, add to the head's scores.
fn fuse(
    parameters: Parameters<'_>,
    g: &mut Graph,
    (architecture, task): (&Architecture, TaskName),
    (pooled, keys_values, mut text_mask): (&str, BTreeMap<usize, (String, String)>, Mask),
    mut image: ImageState,
    joint: Option<(String, String)>,
) -> Result<()> {
    let (blocks, heads): (Vec<usize>, Vec<usize>) = late_heads(parameters, architecture)?.into_iter().unzip();
    let biases = image.biases.map_or_else(Vec::new, |all| g.split(&all, 1, &heads));
    let biases: BTreeMap<usize, String> = blocks.into_iter().zip(biases).collect();
    let mut y = image.regions;
    for (block, operation) in architecture.decoder.iter().enumerate().skip(architecture.image_blocks()) {
        let side = Side {
            own: &mut image.mask,
            text: keys_values.get(&block).map(|keys_values| (&mut text_mask, keys_values)),
            bias: biases.get(&block).map(String::as_str),
        };
        y = parameters.block(g, &y, *operation, &param_names::decoder_block(block), side)?;
    }
    head(parameters, g, task, pooled, &y, (&mut image.mask, joint))
}
