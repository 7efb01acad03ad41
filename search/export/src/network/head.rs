//! The heads of the three tasks.

use mmnas_bundle::manifest::TaskName;

use crate::graph::Graph;
use crate::layers::Product;
use crate::linear_embedding;
use crate::mask::Mask;
use crate::source::Source;
use crate::value_type::Elem;
use crate::{Result, Weight};

/// Declares the outputs of the task's head over the pooled text `[batch, 2 H]` and the regions `y` `[batch, regions, H]`.
pub(crate) fn head(
    source: Source<'_>,
    g: &mut Graph,
    task: TaskName,
    pooled: &str,
    y: &str,
    (mask, joint): (&mut Mask, Option<(String, String)>),
) -> Result<()> {
    match task {
        TaskName::Vqa | TaskName::Itm => pooled_head(source, g, (pooled, y), mask, joint),
        TaskName::Vgd => grounding_head(source, g, pooled, y, joint),
    }
}

/// `Linear(LN(AttFlat(x) + AttFlat(y)))`: one logit an answer, or the one of a pair, with the cosine of joint embeddings times its
/// scale where there are such.
fn pooled_head(
    source: Source<'_>,
    g: &mut Graph,
    (pooled, y): (&str, &str),
    mask: &mut Mask,
    joint: Option<(String, String)>,
) -> Result<()> {
    let d = source.dimensions;
    let (regions, attention) = source.att_flat(g, y, mask, "attflat_y")?;
    let fused = source.norm(g, (pooled, &regions, None), false, ("proj_norm", 2 * d.hidden))?;
    let mut logits = source.linear(g, &fused, "proj", 2 * d.hidden, d.outputs)?;
    if let Some((of_text, of_image)) = joint {
        let scale = source.weights.get("embed_scale", &[1])?.data[0];
        let plain = g.cast(&logits, Elem::F32);
        // Both of length 1, in 32 bits whatever the network.
        logits = g.in_f32(|g| {
            let (row, column) = (g.unsqueeze(&of_text, &[1]), g.unsqueeze(&of_image, &[2]));
            let cosine = g.node("MatMul", &[&row, &column], vec![]);
            let cosine = g.squeeze(&cosine, &[2]);
            let scale = g.scalar(scale);
            let score = g.node("Mul", &[&cosine, &scale], vec![]);
            g.node("Add", &[&plain, &score], vec![])
        });
    }
    g.output(&logits, "logits", &["batch", &d.outputs.to_string()]);
    g.output(&attention, "region_attention", &["batch", "regions"]);
    Ok(())
}

/// Per region `LN(AttFlat(x) + Linear(H → 2 H)(y))` → a score and four deltas, from one product; to the scores are added the products of
/// `linear` embeddings of the text and the regions, where there are such.
fn grounding_head(
    source: Source<'_>,
    g: &mut Graph,
    pooled: &str,
    y: &str,
    linear: Option<(String, String)>,
) -> Result<()> {
    let h = source.dimensions.hidden;
    let regions = source.linear(g, y, "attfc_y", h, 2 * h)?;
    let pooled = g.unsqueeze(pooled, &[1]);
    let fused = source.norm(g, (&regions, &pooled, None), true, ("proj_norm", 2 * h))?;
    let both = [source.matrix("proj_scores", 2 * h, 1)?, source.matrix("proj_reg", 2 * h, 4)?];
    let biases = [&source.bias("proj_scores", 1)?.data[..], &source.bias("proj_reg", 4)?.data].concat();
    let (matrix, bias) = (Weight::beside(&both), Weight::new(&[5], biases));
    let product = Product { name: "proj_both.weight", matrix: &matrix, bias: Some(("proj_both.bias", &bias)) };
    let both = g.plain_product(&fused, &product);
    let parts = g.split(&both, -1, &[1, 4]);
    let mut scores = g.squeeze(&parts[0], &[-1]);
    if let Some((text, regions)) = linear {
        scores = linear_embedding::with_scores(g, &scores, (&text, &regions));
    }
    g.output(&scores, "scores", &["batch", "regions"]);
    g.output(&parts[1], "deltas", &["batch", "regions", "4"]);
    Ok(())
}
