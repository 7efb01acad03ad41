//! Text state, image state → the head's output: the decoder from its first GA on, AttFlat over the regions, the head.

use mmnas_bundle::manifest::Dtype;
use mmnas_bundle::{Architecture, Operation};

use crate::Result;
use crate::blocks::{Side, Source, decoder_prefix};
use crate::graph::Graph;

pub(crate) fn build(source: Source<'_>, architecture: &Architecture) -> Result<Graph> {
    let d = source.dimensions;
    let (h, heads) = (d.hidden, d.heads());
    let first_guided = architecture.image_blocks();
    let mut graph = Graph::new("fusion");
    let g = &mut graph;
    let mut y = g.input("regions", Dtype::F32, &["batch", "regions", &h.to_string()]);
    let region_count = g.input("region_count", Dtype::I64, &["batch"]);
    let pooled = g.input("text_pooled", Dtype::F32, &["batch", &(2 * h).to_string()]);
    let presence = g.presence(&y, &region_count);
    let key_mask = g.key_mask(&presence);
    let relational =
        architecture.decoder_blocks(Operation::RelationSelfAttention).filter(|&b| b >= first_guided).count();
    let biases = match relational {
        0 => Vec::new(),
        n => {
            let all = g.input("relation_bias", Dtype::F32, &["batch", &(n * heads).to_string(), "regions", "regions"]);
            if n == 1 { vec![all] } else { g.split(&all, 1, n) }
        }
    };
    let mut biases = biases.into_iter();
    let mut text_mask = None;
    for (block, operation) in architecture.decoder.iter().enumerate().skip(first_guided) {
        let mut side = Side { key_mask: key_mask.clone(), ..Side::default() };
        match operation {
            Operation::RelationSelfAttention => side.bias = biases.next(),
            Operation::GuidedAttention => {
                let shape = ["batch", &heads.to_string(), "tokens", &d.head.to_string()];
                let key = g.input(&format!("key_{block}"), Dtype::F32, &shape);
                let value = g.input(&format!("value_{block}"), Dtype::F32, &shape);
                side.text_mask = text_mask
                    .get_or_insert_with(|| {
                        let count = g.input("token_count", Dtype::I64, &["batch"]);
                        let tokens = g.node(
                            "Transpose",
                            &[&key],
                            vec![("perm", crate::graph::Attribute::Ints(vec![0, 2, 1, 3]))],
                        );
                        let presence = g.presence(&tokens, &count);
                        g.key_mask(&presence)
                    })
                    .clone();
                side.text = Some((key, value));
            }
            Operation::SelfAttention | Operation::FeedForward | Operation::Other(_) => {}
        }
        y = source.block(g, &y, *operation, &decoder_prefix(block), &side)?;
    }
    let regions = source.att_flat(g, &y, &presence, "attflat_y")?;
    let fused = source.skip_norm(g, (&pooled, &regions, ""), "proj_norm", 2 * h)?;
    let logits = source.linear(g, &fused, "proj", 2 * h, d.outputs)?;
    g.output(&logits, "logits", Dtype::F32, &["batch", &d.outputs.to_string()]);
    Ok(graph)
}
