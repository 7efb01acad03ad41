//! `features`, `boxes`, `region_count` → image state: the projected regions after the blocks before the first GA, and
//! the relation biases of the RSA blocks from there on.

use mmnas_bundle::manifest::Dtype;
use mmnas_bundle::{Architecture, Operation};

use crate::Result;
use crate::blocks::{Side, Source, decoder_prefix};
use crate::graph::Graph;
use crate::regions::relation_biases;

/// Whether the decoder's blocks from `start` to `end` hold an operation.
fn holds(architecture: &Architecture, blocks: std::ops::Range<usize>, wanted: &[Operation]) -> bool {
    architecture.decoder[blocks].iter().any(|op| wanted.contains(op))
}

pub(crate) fn build(source: Source<'_>, architecture: &Architecture) -> Result<Graph> {
    let d = source.dimensions;
    let first_guided = architecture.image_blocks();
    let mut graph = Graph::new("image");
    let g = &mut graph;
    let features = g.input("features", Dtype::F32, &["batch", "regions", &d.feature.to_string()]);
    let relational: Vec<usize> = architecture.decoder_blocks(Operation::RelationSelfAttention).collect();
    // An input that no node reads would be an input that every caller has to invent.
    let boxes = (!relational.is_empty()).then(|| g.input("boxes", Dtype::F32, &["batch", "regions", "4"]));
    let attends = [Operation::SelfAttention, Operation::RelationSelfAttention];
    let key_mask = holds(architecture, 0..first_guided, &attends).then(|| {
        let count = g.input("region_count", Dtype::I64, &["batch"]);
        let presence = g.presence(&features, &count);
        g.key_mask(&presence)
    });
    let heads = d.heads();
    let (mut early, mut late) = (Vec::new(), None);
    if let Some(boxes) = boxes {
        let all = relation_biases(source, g, &boxes, &relational)?;
        let before = relational.iter().filter(|&&b| b < first_guided).count();
        let parts = if relational.len() > 1 { g.split(&all, 1, relational.len()) } else { vec![all.clone()] };
        early = parts[..before].to_vec();
        late = match relational.len() - before {
            0 => None,
            _ if before == 0 => Some(all),
            _ => {
                let rest: Vec<&str> = parts[before..].iter().map(String::as_str).collect();
                Some(g.node("Concat", &rest, vec![("axis", crate::graph::Attribute::Int(1))]))
            }
        };
    }
    let mut y = source.linear(g, &features, "imgfeat_linear", d.feature, d.hidden)?;
    let mut early = early.into_iter();
    for (block, operation) in architecture.decoder[..first_guided].iter().enumerate() {
        let bias = if *operation == Operation::RelationSelfAttention { early.next() } else { None };
        let side = Side { key_mask: key_mask.clone().unwrap_or_default(), bias, ..Side::default() };
        y = source.block(g, &y, *operation, &decoder_prefix(block), &side)?;
    }
    g.output(&y, "regions", Dtype::F32, &["batch", "regions", &d.hidden.to_string()]);
    if let Some(late) = late {
        let count = relational.iter().filter(|&&b| b >= first_guided).count();
        g.logarithm_output(
            &late,
            "relation_bias",
            Dtype::F32,
            &["batch", &(count * heads).to_string(), "regions", "regions"],
        );
    }
    Ok(graph)
}
