//! `tokens`, `token_count` → text state: the pooled text and, for every block that reads the text (GA), its keys and values.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dtype;

use crate::blocks::Side;
use crate::graph::Graph;
use crate::layers::Product;
use crate::linear_embedding;
use crate::mask::Mask;
use crate::source::{Source, decoder_prefix, encoder_prefix};
use crate::states::{Reader, TextState, embeddings, text_readers};
use crate::{Result, Weight};

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(source: Source<'_>, architecture: &Architecture, mut graph: Graph) -> Result<Graph> {
    let g = &mut graph;
    let mut state = text(source, g, architecture)?;
    if let Some(embedding) = embedding(source, g, &mut state)? {
        embeddings(source.dimensions).iter().for_each(|[of_text, _]| of_text.output(g, &embedding));
    }
    for reader in text_readers(source, architecture)? {
        let shape = ["batch", &reader.heads.to_string(), "tokens", &reader.head.to_string()];
        if let Some((key, value)) = state.keys_values.get(&reader.block) {
            g.output(key, &format!("key_{}", reader.block), &shape);
            g.output(value, &format!("value_{}", reader.block), &shape);
        }
    }
    g.output(&state.pooled, "text_pooled", &["batch", &(2 * source.dimensions.hidden).to_string()]);
    g.output(&state.attention, "text_attention", &["batch", "tokens"]);
    Ok(graph)
}

/// The text's joint embedding or the linear one beside those of regions, as [`embeddings`] says, where the network has either.
pub(crate) fn embedding(source: Source<'_>, g: &mut Graph, state: &mut TextState) -> Result<Option<String>> {
    let d = source.dimensions;
    let mut linear = |g: &mut Graph, width| linear_embedding::text(source, g, (&state.tokens, &mut state.mask), width);
    let Some(joint) = d.joint else {
        let Some(width) = d.region_joint else { return Ok(None) };
        let words = linear(g, width)?;
        return linear_embedding::scaled(source, g, &words).map(Some);
    };
    let own = source.embedding(g, &state.pooled, "embed_x", joint, None)?;
    match source.joint_linear() {
        0 => Ok(Some(own)),
        width => {
            let linear = linear(g, width)?;
            linear_embedding::beside(source, g, &linear, &own).map(Some)
        }
    }
}

/// The text's side of the network.
pub(crate) fn text(source: Source<'_>, g: &mut Graph, architecture: &Architecture) -> Result<TextState> {
    let d = source.dimensions;
    let tokens = g.input("tokens", Dtype::I64, &["batch", "tokens"]);
    let embedding = source.weights.get("embedding.weight", &[d.vocabulary, d.embedding])?;
    let words = g.lookup("embedding.weight", embedding, &tokens);
    let mut x = lstm(source, g, &words)?;
    let mut mask = Mask::new("token_count", &tokens, 1);
    for (block, operation) in architecture.encoder.iter().enumerate() {
        let side = Side { own: &mut mask, text: None, bias: None };
        x = source.block(g, &x, *operation, &encoder_prefix(block), side)?;
    }
    let keys_values = keys_values(source, g, &x, &text_readers(source, architecture)?)?;
    let (pooled, attention) = source.att_flat(g, &x, &mut mask, "attflat_x")?;
    Ok(TextState { tokens, pooled, attention, keys_values, mask })
}

/// The LSTM's states, `[batch, tokens, H]`. ONNX orders the gates i, o, f, c; PyTorch i, f, c, o.
fn lstm(source: Source<'_>, g: &mut Graph, words: &str) -> Result<String> {
    let (h, e) = (source.dimensions.hidden, source.dimensions.embedding);
    let reorder = |data: &[f32], row: usize| {
        [0, 3, 1, 2]
            .into_iter()
            .flat_map(|gate: usize| data[gate * h * row..(gate + 1) * h * row].to_vec())
            .collect::<Vec<f32>>()
    };
    let part = |name: &str, width: usize| -> Result<Weight> {
        let weight = source.weights.get(&format!("lstm.{name}_l0"), &[4 * h, width])?;
        Ok(Weight::new(&[4 * h, width], reorder(&weight.data, width)))
    };
    let bias =
        |name: &str| Ok::<_, crate::Error>(reorder(&source.weights.get(&format!("lstm.{name}_l0"), &[4 * h])?.data, 1));
    let biases = Weight::new(&[8 * h], [bias("bias_ih")?, bias("bias_hh")?].concat());
    Ok(g.lstm(words, &part("weight_ih", e)?, &part("weight_hh", h)?, &biases))
}

/// Keys and values of all blocks that read the text, from one product for each width of a head.
fn keys_values(
    source: Source<'_>,
    g: &mut Graph,
    x: &str,
    readers: &[Reader],
) -> Result<BTreeMap<usize, (String, String)>> {
    let h = source.dimensions.hidden;
    let mut found = BTreeMap::new();
    let widths: std::collections::BTreeSet<usize> = readers.iter().map(|reader| reader.head).collect();
    for head in widths {
        let readers: Vec<&Reader> = readers.iter().filter(|reader| reader.head == head).collect();
        let mut parts = Vec::new();
        for reader in &readers {
            for part in ["k", "v"] {
                let name = format!("{}.mhatt.linear_{part}", decoder_prefix(reader.block));
                parts.push(source.matrix(&name, h, reader.heads * head)?);
            }
        }
        let (name, matrix) = (format!("guided.linear_kv_{head}.weight"), Weight::beside(&parts));
        let heads = matrix.shape[1] / head;
        let product = g.product(x, &Product { name: &name, matrix: &matrix, bias: None });
        let product = g.reshape(&product, &[0, 0, heads as i64, head as i64]);
        let product = g.transpose(&product, &[0, 2, 1, 3]);
        let sizes: Vec<usize> = readers.iter().flat_map(|reader| [reader.heads; 2]).collect();
        let split = g.split(&product, 1, &sizes);
        for (reader, pair) in readers.iter().zip(split.chunks_exact(2)) {
            found.insert(reader.block, (pair[0].clone(), pair[1].clone()));
        }
    }
    Ok(found)
}
