//! The operations of the blocks, every one of the published code, as nodes.

use mmnas_bundle::{Heads, Operation, OperationKind};

use crate::error::{Error, Result};
use crate::network::layers::{Attention, KeysValues, Product, query_scale};
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::weights::Weight;

/// What a block reads besides its input.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    /// The input's positions.
    pub own: &'a mut Mask,
    /// The tokens, and this block's keys and values over them.
    ///
    /// Both are `[batch, heads, tokens, head]`.
    pub text: Option<(&'a mut Mask, &'a (String, String))>,
    /// What the regions' relations add to this block's scores, `[batch, heads, n, n]`.
    pub bias: Option<&'a str>,
}

/// What an operation computes, or an error where it has no exporter.
pub(crate) fn kind_of(operation: Operation, prefix: &str) -> Result<OperationKind> {
    operation.kind().ok_or_else(|| Error::Operation { block: prefix.to_owned(), operation })
}

impl Parameters<'_> {
    /// Number of heads and their width.
    pub(crate) fn heads(&self, heads: Heads, prefix: &str) -> Result<(usize, usize)> {
        let d = self.dimensions;
        heads.of(d.hidden, d.head).ok_or_else(|| Error::Heads {
            block: prefix.to_owned(),
            width: heads.width.unwrap_or(d.head),
            hidden: heads.inner(d.hidden),
        })
    }

    /// One block: `LN(x + op(x))`.
    pub(crate) fn block(
        &self,
        g: &mut Graph,
        x: &str,
        operation: Operation,
        prefix: &str,
        mut side: Side<'_>,
    ) -> Result<String> {
        let h = self.dimensions.hidden;
        let mut late_bias = None;
        let y = match kind_of(operation, prefix)? {
            OperationKind::Identity => return Ok(x.to_owned()),
            OperationKind::Zero => {
                let zero = g.scalar(0.0);
                return Ok(g.node("Mul", &[x, &zero], vec![]));
            }
            OperationKind::FeedForward { factor } => {
                let inner = self.linear(g, x, &format!("{prefix}.mlp.fc.linear"), h, factor * h)?;
                let inner = g.node("Relu", &[&inner], vec![]);
                let outer = format!("{prefix}.mlp.linear");
                if g.is_fused() && !g.is_int8() {
                    // The fused norm adds the bias in passing.
                    late_bias = Some((format!("{outer}.bias"), self.bias(&outer, h)?));
                    self.projection(g, &inner, &outer, factor * h, h)?
                } else {
                    self.linear(g, &inner, &outer, factor * h, h)?
                }
            }
            OperationKind::DeepFeedForward => {
                let mut y = x.to_owned();
                for (name, inputs) in [("fc.linear", h), ("mlp.fc.linear", 2 * h)] {
                    y = self.linear(g, &y, &format!("{prefix}.{name}"), inputs, 2 * h)?;
                    y = g.node("Relu", &[&y], vec![]);
                }
                self.linear(g, &y, &format!("{prefix}.mlp.linear"), 2 * h, h)?
            }
            OperationKind::GatedLinear { two: false } => self.gated(g, x, &format!("{prefix}.unit"), h, h)?,
            OperationKind::GatedLinear { two: true } => {
                let y = self.gated(g, x, &format!("{prefix}.unit_0"), h, 2 * h)?;
                let y = g.node("Relu", &[&y], vec![]);
                self.gated(g, &y, &format!("{prefix}.unit_1"), 2 * h, h)?
            }
            OperationKind::Convolution { kernel, separable } => {
                self.convolution(g, x, side.own, (kernel, separable), prefix)?
            }
            OperationKind::SelfAttention(heads) | OperationKind::RelationSelfAttention(heads) => {
                let [query, key, value] = self.own_projections(g, x, heads, prefix)?;
                let mask = side.own.keys(g);
                self.attend(g, &query, &KeysValues::Own(key, value), (&mask, side.bias), heads, prefix)?
            }
            OperationKind::GuidedAttention(heads) => {
                let (mask, (key, value)) = side.text.as_mut().ok_or_else(|| no_text(operation, prefix))?;
                let mask = mask.keys(g);
                let query = self.query(g, x, heads, prefix)?;
                let text = KeysValues::Heads(key.clone(), value.clone());
                self.attend(g, &query, &text, (&mask, None), heads, prefix)?
            }
            OperationKind::UniimgAttention(heads) => {
                let (mask, text) = side.text.as_mut().ok_or_else(|| no_text(operation, prefix))?;
                let mask = side.own.both(mask, g);
                let [query, key, value] = self.own_projections(g, x, heads, prefix)?;
                let (count, head) = self.heads(heads, prefix)?;
                let joined = |g: &mut Graph, own: &str, text: &str| {
                    let own = g.reshape(own, &[0, 0, count as i64, head as i64]);
                    let own = g.transpose(&own, &[0, 2, 1, 3]);
                    g.concat(&[&own, text], 2)
                };
                let both = KeysValues::Heads(joined(g, &key, &text.0), joined(g, &value, &text.1));
                self.attend(g, &query, &both, (&mask, None), heads, prefix)?
            }
        };
        let late_bias = late_bias.as_ref().map(|(name, bias)| (name.as_str(), *bias));
        self.norm(g, (x, &y, late_bias), false, (&format!("{prefix}.ln"), h))
    }

    /// The query's matrix, scaled as the graph's attention wants it.
    fn query_matrix(&self, g: &Graph, heads: Heads, prefix: &str) -> Result<Weight> {
        let h = self.dimensions.hidden;
        let (_, head) = self.heads(heads, prefix)?;
        let matrix = self.matrix(&format!("{prefix}.mhatt.linear_q"), h, heads.inner(h))?;
        Ok(matrix.scaled(query_scale(g, head)))
    }

    fn query(&self, g: &mut Graph, x: &str, heads: Heads, prefix: &str) -> Result<String> {
        let matrix = self.query_matrix(g, heads, prefix)?;
        Ok(g.product(x, &Product { name: &format!("{prefix}.mhatt.linear_q.weight"), matrix: &matrix, bias: None }))
    }

    /// Queries, keys and values over the input, from one product.
    fn own_projections(&self, g: &mut Graph, x: &str, heads: Heads, prefix: &str) -> Result<[String; 3]> {
        let (h, inner) = (self.dimensions.hidden, heads.inner(self.dimensions.hidden));
        let part = |name: &str| self.matrix(&format!("{prefix}.mhatt.linear_{name}"), h, inner);
        let stacked = Weight::beside(&[self.query_matrix(g, heads, prefix)?, part("k")?, part("v")?]);
        let name = format!("{prefix}.mhatt.linear_qkv.weight");
        let product = g.product(x, &Product { name: &name, matrix: &stacked, bias: None });
        let mut parts = g.split(&product, -1, &[inner; 3]).into_iter();
        Ok(std::array::from_fn(|_| parts.next().unwrap_or_default()))
    }

    fn attend(
        &self,
        g: &mut Graph,
        query: &str,
        keys_values: &KeysValues,
        (mask, bias): (&str, Option<&str>),
        heads: Heads,
        prefix: &str,
    ) -> Result<String> {
        let h = self.dimensions.hidden;
        let (count, head) = self.heads(heads, prefix)?;
        let attended = g.attention(&Attention { query, keys_values, mask, bias, heads: count, head });
        self.projection(g, &attended, &format!("{prefix}.mhatt.linear_merge"), heads.inner(h), h)
    }

    /// A gated linear unit: the second half of a linear layer gates the first.
    fn gated(&self, g: &mut Graph, x: &str, name: &str, inputs: usize, outputs: usize) -> Result<String> {
        let both = self.linear(g, x, &format!("{name}.linear"), inputs, 2 * outputs)?;
        let parts = g.split(&both, -1, &[outputs; 2]);
        let gate = g.node("Sigmoid", &[&parts[1]], vec![]);
        Ok(g.node("Mul", &[&parts[0], &gate], vec![]))
    }

    /// Convolution over positions, in floats whatever the number format; padded positions count as zeros.
    fn convolution(
        &self,
        g: &mut Graph,
        x: &str,
        own: &mut Mask,
        (kernel, separable): (usize, bool),
        prefix: &str,
    ) -> Result<String> {
        let h = self.dimensions.hidden;
        let presence = own.presence(g);
        let presence = g.unsqueeze(&presence, &[-1]);
        let zero = g.scalar(0.0);
        let y = g.node("Where", &[&presence, x, &zero], vec![]);
        let mut y = g.transpose(&y, &[0, 2, 1]);
        let layers: &[(&str, usize, usize)] =
            if separable { &[("depthwise_conv", 1, kernel), ("pointwise_conv", h, 1)] } else { &[("conv", h, kernel)] };
        for &(name, inputs, kernel) in layers {
            let (weight_name, bias_name) = (format!("{prefix}.{name}.weight"), format!("{prefix}.{name}.bias"));
            let weight = g.weight(&weight_name, self.weights.get(&weight_name, &[h, inputs, kernel])?);
            let bias = g.weight(&bias_name, self.weights.get(&bias_name, &[h])?);
            let pad = (kernel / 2) as i64;
            let attributes = vec![
                ("kernel_shape", Attribute::Ints(vec![kernel as i64])),
                ("pads", Attribute::Ints(vec![pad, pad])),
                ("group", Attribute::Int((h / inputs) as i64)),
            ];
            y = g.node("Conv", &[&y, &weight, &bias], attributes);
        }
        Ok(g.transpose(&y, &[0, 2, 1]))
    }
}

fn no_text(operation: Operation, prefix: &str) -> Error {
    Error::Operation { block: prefix.to_owned(), operation }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::{Dimensions, Form};
    use mmnas_bundle::param_names;

    use super::*;
    use crate::weights::Weights;

    fn refused(operation: &str) -> String {
        let dimensions = Dimensions {
            hidden: 64,
            feature: 1,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 1,
            head: 64,
            relation: 1,
            embeddings: None,
        };
        let parameters = Parameters { weights: &Weights::default(), dimensions: &dimensions };
        let mut graph = Graph::new("text", Form::ORT_FP32);
        let side = Side { own: &mut Mask::new("token_count", "x", 1), text: None, bias: None };
        parameters
            .block(&mut graph, "x", operation.parse().unwrap(), &param_names::encoder_block(2), side)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_operation_that_bundles_do_not_know_is_named_with_its_block() {
        for operation in ["mine_2", "guided_att_64"] {
            let error = refused(operation);
            assert!(error.contains("cells_enc.0.dag.2.0") && error.contains(operation), "{error}");
        }
    }

    #[test]
    fn heads_that_do_not_fill_their_width_are_an_error() {
        let error = refused("self_att_128");
        assert!(error.contains("128") && error.contains("64"), "{error}");
    }
}
