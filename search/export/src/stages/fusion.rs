//! Text state, image state → the head's output: the decoder from its first block on that reads the text (GA), and the head.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::TaskName;

use crate::Result;
use crate::blocks::Side;
use crate::graph::Graph;
use crate::head::head;
use crate::image_stage::{self, late_heads};
use crate::mask::Mask;
use crate::source::{Source, decoder_prefix};
use crate::states::{ImageState, embeddings, text_readers};
use crate::text_stage;

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(
    source: Source<'_>,
    architecture: &Architecture,
    task: TaskName,
    mut graph: Graph,
) -> Result<Graph> {
    let h = source.dimensions.hidden;
    let g = &mut graph;
    let regions = g.float_input("regions", &["batch", "regions", &h.to_string()]);
    let mask = Mask::new("region_count", &regions, 1);
    let late = late_heads(source, architecture)?;
    let total = late.iter().map(|(_, heads)| heads).sum::<usize>().to_string();
    let biases = (!late.is_empty()).then(|| g.float_input("relation_bias", &["batch", &total, "regions", "regions"]));
    let image = ImageState { regions, biases, mask };
    let mut keys_values = BTreeMap::new();
    for reader in text_readers(source, architecture)? {
        let shape = ["batch", &reader.heads.to_string(), "tokens", &reader.head.to_string()];
        let part = |g: &mut Graph, name: &str| g.float_input(&format!("{name}_{}", reader.block), &shape);
        keys_values.insert(reader.block, (part(g, "key"), part(g, "value")));
    }
    // Where no block reads the text there is no key, and nothing asks for the mask.
    let first_key = keys_values.values().next().map_or_else(String::new, |(key, _)| key.clone());
    let mask = Mask::new("token_count", &first_key, 2);
    let pooled = g.float_input("text_pooled", &["batch", &(2 * h).to_string()]);
    let joint = embeddings(source.dimensions).map(|[of_text, of_image]| (of_text.input(g), of_image.input(g)));
    fuse(source, g, (architecture, task), (pooled.as_str(), keys_values, mask), image, joint)?;
    Ok(graph)
}

/// The whole network in one graph, which begins as `graph`.
pub(crate) fn build_merged(
    source: Source<'_>,
    architecture: &Architecture,
    task: TaskName,
    mut graph: Graph,
) -> Result<Graph> {
    let g = &mut graph;
    let mut text = text_stage::text(source, g, architecture)?;
    let (mut image, features) = image_stage::image(source, g, architecture)?;
    let of_text = text_stage::embedding(source, g, &mut text)?;
    let joint = of_text.zip(image_stage::embedding(source, g, &mut image, &features)?);
    fuse(source, g, (architecture, task), (&text.pooled, text.keys_values, text.mask), image, joint)?;
    Ok(graph)
}

/// The decoder from its first block on that reads the text, and the head, to which `joint` embeddings of text and image or regions add;
/// declares the outputs.
fn fuse(
    source: Source<'_>,
    g: &mut Graph,
    (architecture, task): (&Architecture, TaskName),
    (pooled, keys_values, mut text_mask): (&str, BTreeMap<usize, (String, String)>, Mask),
    mut image: ImageState,
    joint: Option<(String, String)>,
) -> Result<()> {
    let (blocks, heads): (Vec<usize>, Vec<usize>) = late_heads(source, architecture)?.into_iter().unzip();
    let biases = image.biases.map_or_else(Vec::new, |all| g.split(&all, 1, &heads));
    let biases: BTreeMap<usize, String> = blocks.into_iter().zip(biases).collect();
    let mut y = image.regions;
    for (block, operation) in architecture.decoder.iter().enumerate().skip(architecture.image_blocks()) {
        let side = Side {
            own: &mut image.mask,
            text: keys_values.get(&block).map(|keys_values| (&mut text_mask, keys_values)),
            bias: biases.get(&block).map(String::as_str),
        };
        y = source.block(g, &y, *operation, &decoder_prefix(block), side)?;
    }
    head(source, g, task, pooled, &y, (&mut image.mask, joint))
}
