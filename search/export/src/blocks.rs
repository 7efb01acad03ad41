//! The operations of the blocks, as ONNX nodes of the `ort` variant.

use mmnas_bundle::Operation;
use mmnas_bundle::manifest::Dimensions;

use crate::graph::{Attribute, Graph, MICROSOFT};
use crate::{Error, Result, Weight, Weights};

/// Added to the scores of masked keys (published).
const MASKED: f32 = -1e9;
/// LayerNormalization with this epsilon and a rescaled gain agrees with the published LN, whose epsilon stands outside
/// the root, to 4e-6 on the logits.
const EPSILON: f32 = 1e-12;

/// Parameters of a network and where they go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub weights: &'a Weights,
    pub dimensions: &'a Dimensions,
}

/// What a block reads besides its input.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// 0/1 mask of the input's positions, i32 `[batch, n]`.
    pub key_mask: String,
    /// 0/1 mask of the tokens (GA).
    pub text_mask: String,
    /// Keys and values over the text, `[batch, heads, tokens, head width]` (GA).
    pub text: Option<(String, String)>,
    /// Bias on the scores, `[batch, heads, n, n]` (RSA).
    pub bias: Option<String>,
}

/// The dotted prefix of an encoder block's parameters (sic: "backnone" is the published spelling).
pub(crate) fn encoder_prefix(block: usize) -> String {
    format!("backnone.cells_enc.0.dag.{block}.0")
}

/// The dotted prefix of a decoder block's parameters.
pub(crate) fn decoder_prefix(block: usize) -> String {
    format!("backnone.cells_dec.0.dag.{block}.0")
}

impl Source<'_> {
    /// A linear layer's matrix as `[inputs, outputs]`.
    pub(crate) fn matrix(&self, name: &str, inputs: usize, outputs: usize) -> Result<Weight> {
        Ok(self.weights.get(&format!("{name}.weight"), &[outputs, inputs])?.transposed())
    }

    /// `x W + b`.
    pub(crate) fn linear(&self, g: &mut Graph, x: &str, name: &str, inputs: usize, outputs: usize) -> Result<String> {
        let product = g.matmul(x, &format!("{name}.weight"), &self.matrix(name, inputs, outputs)?);
        let bias = g.weight(&format!("{name}.bias"), self.weights.get(&format!("{name}.bias"), &[outputs])?);
        Ok(g.node("Add", &[&product, &bias], vec![]))
    }

    /// `LN(x + y + bias)` of width `width`, the published LN as ONNX Runtime's fused operator.
    pub(crate) fn skip_norm(
        &self,
        g: &mut Graph,
        (x, y, bias): (&str, &str, &str),
        name: &str,
        width: usize,
    ) -> Result<String> {
        let factor = ((width - 1) as f64 / width as f64).sqrt();
        let gain = self.weights.get(&format!("{name}.a_2"), &[width])?;
        let gain = Weight::new(&[width], gain.data.iter().map(|v| (f64::from(*v) * factor) as f32).collect());
        let gain = g.weight(&format!("{name}.a_2"), &gain);
        let shift = g.weight(&format!("{name}.b_2"), self.weights.get(&format!("{name}.b_2"), &[width])?);
        let epsilon = vec![("epsilon", Attribute::Float(EPSILON))];
        Ok(g.node_of(MICROSOFT, "SkipLayerNormalization", &[x, y, &gain, &shift, bias], epsilon))
    }

    /// One block: `LN(x + op(x))`.
    pub(crate) fn block(
        &self,
        g: &mut Graph,
        x: &str,
        operation: Operation,
        prefix: &str,
        side: &Side,
    ) -> Result<String> {
        let h = self.dimensions.hidden;
        let (y, bias) = match operation {
            Operation::FeedForward => {
                let inner = self.linear(g, x, &format!("{prefix}.mlp.fc.linear"), h, 4 * h)?;
                let inner = g.node("Relu", &[&inner], vec![]);
                let outer = format!("{prefix}.mlp.linear");
                let y = g.matmul(&inner, &format!("{outer}.weight"), &self.matrix(&outer, 4 * h, h)?);
                (y, g.weight(&format!("{outer}.bias"), self.weights.get(&format!("{outer}.bias"), &[h])?))
            }
            Operation::SelfAttention | Operation::RelationSelfAttention => {
                let part = |name: &str| self.matrix(&format!("{prefix}.mhatt.linear_{name}"), h, h);
                let stacked = Weight::beside(&[part("q")?, part("k")?, part("v")?]);
                let product = g.matmul(x, &format!("{prefix}.mhatt.linear_qkv.weight"), &stacked);
                let parts = g.split(&product, -1, 3);
                let bias = side.bias.as_deref().unwrap_or_default();
                (self.attention(g, [&parts[0], &parts[1], &parts[2]], &side.key_mask, bias, prefix)?, String::new())
            }
            Operation::GuidedAttention => {
                let name = format!("{prefix}.mhatt.linear_q");
                let query = g.matmul(x, &format!("{name}.weight"), &self.matrix(&name, h, h)?);
                let (key, value) = side.text.as_ref().map_or((x, x), |(k, v)| (k.as_str(), v.as_str()));
                (self.attention(g, [&query, key, value], &side.text_mask, "", prefix)?, String::new())
            }
            Operation::Other(_) => return Err(Error::Operation { block: prefix.to_owned(), operation }),
        };
        self.skip_norm(g, (x, &y, &bias), &format!("{prefix}.ln"), h)
    }

    fn attention(
        &self,
        g: &mut Graph,
        [query, key, value]: [&str; 3],
        mask: &str,
        bias: &str,
        prefix: &str,
    ) -> Result<String> {
        let h = self.dimensions.hidden;
        let attributes = vec![
            ("num_heads", Attribute::Int(self.dimensions.heads() as i64)),
            ("mask_filter_value", Attribute::Float(MASKED)),
        ];
        // Inputs: query, key, value, projection bias (none), key mask, score bias.
        let inputs: &[&str] =
            if bias.is_empty() { &[query, key, value, "", mask] } else { &[query, key, value, "", mask, bias] };
        let attended = g.node_of(MICROSOFT, "MultiHeadAttention", inputs, attributes);
        let merge = format!("{prefix}.mhatt.linear_merge");
        Ok(g.matmul(&attended, &format!("{merge}.weight"), &self.matrix(&merge, h, h)?))
    }

    /// AttFlat over `x` `[batch, n, H]` with the mask `presence` → `[batch, 2 H]`.
    pub(crate) fn att_flat(&self, g: &mut Graph, x: &str, presence: &str, name: &str) -> Result<String> {
        let (h, inner) = (self.dimensions.hidden, self.dimensions.attflat);
        let scores = self.linear(g, x, &format!("{name}.mlp.fc.linear"), h, inner)?;
        let scores = g.node("Relu", &[&scores], vec![]);
        let scores = self.linear(g, &scores, &format!("{name}.mlp.linear"), inner, 1)?;
        // [batch, n, 1] → [batch, 1, n]: a row of weights, so that the weighted sum is one matrix product.
        let scores = g.node("Transpose", &[&scores], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]);
        let axes = g.integers(&[1]);
        let presence = g.node("Unsqueeze", &[presence, &axes], vec![]);
        let masked = g.scalar(MASKED);
        let scores = g.node("Where", &[&presence, &scores, &masked], vec![]);
        let weights = g.node("Softmax", &[&scores], vec![("axis", Attribute::Int(-1))]);
        let pooled = g.node("MatMul", &[&weights, x], vec![]);
        let pooled = g.node("Squeeze", &[&pooled, &axes], vec![]);
        self.linear(g, &pooled, &format!("{name}.linear_merge"), h, 2 * h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_bundles_do_not_know_is_named_with_its_block() {
        let dimensions = Dimensions {
            hidden: 64,
            feature: 1,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 1,
            head: 64,
            relation: 1,
        };
        let source = Source { weights: &Weights::default(), dimensions: &dimensions };
        let (mut graph, side) = (Graph::new("text"), Side::default());
        let operation = "sep_conv_3".parse().unwrap();
        let error = source.block(&mut graph, "x", operation, &encoder_prefix(2), &side).unwrap_err();
        assert!(matches!(&error, Error::Operation { operation: found, .. } if *found == operation));
        let error = error.to_string();
        assert!(error.contains("cells_enc.0.dag.2.0") && error.contains("sep_conv_3"), "{error}");
    }
}
