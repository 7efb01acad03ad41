//! The text stage: `tokens`, `token_count` → text state.
//!
//! The state is the pooled text and, for every block that reads the text (GA), its keys and values.

use std::collections::BTreeMap;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::{Dtype, EmbeddingDimensions};
use mmnas_bundle::param_names;

use crate::error::{Error, Result};
use crate::network::blocks::Side;
use crate::network::layers::Product;
use crate::network::linear_embedding;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::stages::states::{Reader, TextState, embeddings, text_readers};
use crate::weights::Weight;

/// The stage as a graph of its own, which begins as `graph`.
pub(crate) fn build(parameters: Parameters<'_>, architecture: &Architecture, mut graph: Graph) -> Result<Graph> {
    let g = &mut graph;
    let mut state = text(parameters, g, architecture)?;
    if let Some(embedding) = embedding(parameters, g, &mut state)? {
        embeddings(parameters.dimensions).iter().for_each(|[of_text, _]| of_text.output(g, &embedding));
    }
    for reader in text_readers(parameters, architecture)? {
        let shape = ["batch", &reader.heads.to_string(), "tokens", &reader.head.to_string()];
        if let Some((key, value)) = state.keys_values.get(&reader.block) {
            g.output(key, &format!("key_{}", reader.block), &shape);
            g.output(value, &format!("value_{}", reader.block), &shape);
        }
    }
    g.output(&state.pooled, "text_pooled", &["batch", &(2 * parameters.dimensions.hidden).to_string()]);
    g.output(&state.attention, "text_attention", &["batch", "tokens"]);
    Ok(graph)
}

/// The text's embedding by the dual encoder, or the linear one beside those of regions.
///
/// There is none if the network has neither; see [`embeddings`].
pub(crate) fn embedding(parameters: Parameters<'_>, g: &mut Graph, state: &mut TextState) -> Result<Option<String>> {
    let d = parameters.dimensions;
    let mut linear =
        |g: &mut Graph, width| linear_embedding::text(parameters, g, (&state.tokens, &mut state.mask), width);
    match d.embeddings {
        None => Ok(None),
        Some(EmbeddingDimensions::Regions { width }) => {
            let words = linear(g, width)?;
            linear_embedding::scaled(parameters, g, &words).map(Some)
        }
        Some(EmbeddingDimensions::DualEncoder { width, linear: None, .. }) => {
            parameters.embedding(g, &state.pooled, param_names::EMBED_X, width, None).map(Some)
        }
        Some(EmbeddingDimensions::DualEncoder { width, linear: Some(of_words), .. }) => {
            let own = parameters.embedding(g, &state.pooled, param_names::EMBED_X, width - of_words, None)?;
            let linear = linear(g, of_words)?;
            linear_embedding::beside(parameters, g, &linear, &own).map(Some)
        }
    }
}

/// The text's side of the network.
pub(crate) fn text(parameters: Parameters<'_>, g: &mut Graph, architecture: &Architecture) -> Result<TextState> {
    let d = parameters.dimensions;
    let tokens = g.input("tokens", Dtype::I64, &["batch", "tokens"]);
    let embedding =
        parameters.weights.get(&param_names::weight(param_names::EMBEDDING), &[d.vocabulary, d.embedding])?;
    let words = g.lookup(&param_names::weight(param_names::EMBEDDING), embedding, &tokens);
    let mut x = lstm(parameters, g, &words)?;
    let mut mask = Mask::new("token_count", &tokens, 1);
    for (block, operation) in architecture.encoder.iter().enumerate() {
        let side = Side { own: &mut mask, text: None, bias: None };
        x = parameters.block(g, &x, *operation, &param_names::encoder_block(block), side)?;
    }
    let keys_values = keys_values(parameters, g, &x, &text_readers(parameters, architecture)?)?;
    let (pooled, attention) = parameters.att_flat(g, &x, &mut mask, param_names::ATTFLAT_X)?;
    Ok(TextState { tokens, pooled, attention, keys_values, mask })
}

/// The LSTM's states, `[batch, tokens, H]`.
///
/// ONNX orders the gates i, o, f, c; PyTorch i, f, c, o.
fn lstm(parameters: Parameters<'_>, g: &mut Graph, words: &str) -> Result<String> {
    let (h, e) = (parameters.dimensions.hidden, parameters.dimensions.embedding);
    let reorder = |data: &[f32], row: usize| {
        [0, 3, 1, 2]
            .into_iter()
            .flat_map(|gate: usize| data[gate * h * row..(gate + 1) * h * row].to_vec())
            .collect::<Vec<f32>>()
    };
    let part = |name: &str, width: usize| -> Result<Weight> {
        let weight = parameters.weights.get(&format!("{}.{name}_l0", param_names::LSTM), &[4 * h, width])?;
        Ok(Weight::new(&[4 * h, width], reorder(&weight.data, width)))
    };
    let bias = |name: &str| {
        Ok::<_, Error>(reorder(&parameters.weights.get(&format!("{}.{name}_l0", param_names::LSTM), &[4 * h])?.data, 1))
    };
    let biases = Weight::new(&[8 * h], [bias("bias_ih")?, bias("bias_hh")?].concat());
    Ok(g.lstm(words, &part("weight_ih", e)?, &part("weight_hh", h)?, &biases))
}

/// Keys and values of all blocks that read the text.
///
/// There is one product for each width of a head.
fn keys_values(
    parameters: Parameters<'_>,
    g: &mut Graph,
    x: &str,
    readers: &[Reader],
) -> Result<BTreeMap<usize, (String, String)>> {
    let h = parameters.dimensions.hidden;
    let mut found = BTreeMap::new();
    let widths: std::collections::BTreeSet<usize> = readers.iter().map(|reader| reader.head).collect();
    for head in widths {
        let readers: Vec<&Reader> = readers.iter().filter(|reader| reader.head == head).collect();
        let mut parts = Vec::new();
        for reader in &readers {
            for part in ["k", "v"] {
                let name = format!("{}.mhatt.linear_{part}", param_names::decoder_block(reader.block));
                parts.push(parameters.matrix(&name, h, reader.heads * head)?);
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
