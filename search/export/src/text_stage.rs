//! `tokens`, `token_count` → text state: the pooled text and, for every GA block, its keys and values.

use mmnas_bundle::manifest::Dtype;
use mmnas_bundle::{Architecture, Operation};

use crate::blocks::{Side, Source, decoder_prefix, encoder_prefix};
use crate::graph::{Attribute, Graph};
use crate::{Result, Weight};

pub(crate) fn build(source: Source<'_>, architecture: &Architecture) -> Result<Graph> {
    let d = source.dimensions;
    let mut graph = Graph::new("text");
    let g = &mut graph;
    let tokens = g.input("tokens", Dtype::I64, &["batch", "tokens"]);
    let count = g.input("token_count", Dtype::I64, &["batch"]);
    let embedding = g.weight("embedding.weight", source.weights.get("embedding.weight", &[d.vocabulary, d.embedding])?);
    let words = g.node("Gather", &[&embedding, &tokens], vec![]);
    let mut x = lstm(source, g, &words)?;
    let presence = g.presence(&tokens, &count);
    let side = Side { key_mask: g.key_mask(&presence), ..Side::default() };
    for (block, operation) in architecture.encoder.iter().enumerate() {
        x = source.block(g, &x, *operation, &encoder_prefix(block), &side)?;
    }
    keys_values(source, g, &x, architecture)?;
    let pooled = source.att_flat(g, &x, &presence, "attflat_x")?;
    g.output(&pooled, "text_pooled", Dtype::F32, &["batch", &(2 * d.hidden).to_string()]);
    Ok(graph)
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
        Ok(Weight::new(&[1, 4 * h, width], reorder(&weight.data, width)))
    };
    let bias =
        |name: &str| Ok::<_, crate::Error>(reorder(&source.weights.get(&format!("lstm.{name}_l0"), &[4 * h])?.data, 1));
    let biases = Weight::new(&[1, 8 * h], [bias("bias_ih")?, bias("bias_hh")?].concat());
    let input = g.weight("lstm.weight_ih_l0", &part("weight_ih", e)?);
    let hidden = g.weight("lstm.weight_hh_l0", &part("weight_hh", h)?);
    let biases = g.weight("lstm.bias_l0", &biases);
    let swap = |perm: [i64; 3]| vec![("perm", Attribute::Ints(perm.to_vec()))];
    let by_time = g.node("Transpose", &[words], swap([1, 0, 2]));
    let states = g.node("LSTM", &[&by_time, &input, &hidden, &biases], vec![("hidden_size", Attribute::Int(h as i64))]);
    let axes = g.integers(&[1]);
    let states = g.node("Squeeze", &[&states, &axes], vec![]);
    Ok(g.node("Transpose", &[&states], swap([1, 0, 2])))
}

/// Keys and values of all GA blocks, from one product.
fn keys_values(source: Source<'_>, g: &mut Graph, x: &str, architecture: &Architecture) -> Result<()> {
    let (h, heads, head) = (source.dimensions.hidden, source.dimensions.heads(), source.dimensions.head);
    let blocks: Vec<usize> = architecture.decoder_blocks(Operation::GuidedAttention).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    let mut parts = Vec::new();
    for block in &blocks {
        for part in ["k", "v"] {
            parts.push(source.matrix(&format!("{}.mhatt.linear_{part}", decoder_prefix(*block)), h, h)?);
        }
    }
    let product = g.matmul(x, "guided.linear_kv.weight", &Weight::beside(&parts));
    let shape = g.integers(&[0, 0, (parts.len() * heads) as i64, head as i64]);
    let product = g.node("Reshape", &[&product, &shape], vec![]);
    let product = g.node("Transpose", &[&product], vec![("perm", Attribute::Ints(vec![0, 2, 1, 3]))]);
    let split = g.split(&product, 1, parts.len());
    let shape = ["batch", &heads.to_string(), "tokens", &head.to_string()];
    for (block, pair) in blocks.iter().zip(split.chunks_exact(2)) {
        g.output(&pair[0], &format!("key_{block}"), Dtype::F32, &shape);
        g.output(&pair[1], &format!("value_{block}"), Dtype::F32, &shape);
    }
    Ok(())
}
