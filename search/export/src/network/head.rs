//! The heads of the three tasks.

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::layers::Product;
use crate::network::linear_embedding;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;
use crate::weights::Weight;

/// Declares the outputs of the task's head.
///
/// It reads the pooled text `[batch, 2 H]` and the regions `y` `[batch, regions, H]`.
pub(crate) fn head(
    parameters: Parameters<'_>,
    g: &mut Graph,
    task: TaskName,
    pooled: &str,
    y: &str,
    (mask, joint): (&mut Mask, Option<(String, String)>),
) -> Result<()> {
    match task {
        TaskName::Vqa | TaskName::Itm => pooled_head(parameters, g, (pooled, y), mask, joint),
        TaskName::Vgd => grounding_head(parameters, g, pooled, y, joint),
    }
}

/// The head of VQA and ITM: `Linear(LN(AttFlat(x) + AttFlat(y)))`.
///
/// It gives one logit per answer, or the one of a pair. If there is a dual encoder, the cosine of its
/// embeddings times its scale is added.
fn pooled_head(
    parameters: Parameters<'_>,
    g: &mut Graph,
    (pooled, y): (&str, &str),
    mask: &mut Mask,
    joint: Option<(String, String)>,
) -> Result<()> {
    let d = parameters.dimensions;
    let (regions, attention) = parameters.att_flat(g, y, mask, param_names::ATTFLAT_Y)?;
    let fused = parameters.norm(g, (pooled, &regions, None), false, (param_names::PROJ_NORM, 2 * d.hidden))?;
    let mut logits = parameters.linear(g, &fused, param_names::PROJ, 2 * d.hidden, d.outputs)?;
    if let Some((of_text, of_image)) = joint {
        let scale = parameters.weights.get(param_names::EMBED_SCALE, &[1])?.data[0];
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

/// The head of grounding: a score and four deltas for each region.
///
/// Both come from one product of `LN(AttFlat(x) + Linear(H → 2 H)(y))`. If there are `linear` embeddings, their
/// products are added to the scores.
fn grounding_head(
    parameters: Parameters<'_>,
    g: &mut Graph,
    pooled: &str,
    y: &str,
    linear: Option<(String, String)>,
) -> Result<()> {
    let h = parameters.dimensions.hidden;
    let regions = parameters.linear(g, y, param_names::ATTFC_Y, h, 2 * h)?;
    let pooled = g.unsqueeze(pooled, &[1]);
    let fused = parameters.norm(g, (&regions, &pooled, None), true, (param_names::PROJ_NORM, 2 * h))?;
    let both =
        [parameters.matrix(param_names::PROJ_SCORES, 2 * h, 1)?, parameters.matrix(param_names::PROJ_REG, 2 * h, 4)?];
    let biases =
        [&parameters.bias(param_names::PROJ_SCORES, 1)?.data[..], &parameters.bias(param_names::PROJ_REG, 4)?.data]
            .concat();
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
