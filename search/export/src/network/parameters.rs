//! Parameters of a network by their published names, as the layers want them.

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::param_names;

use crate::error::Result;
use crate::network::layers::Product;
use crate::network::mask::{Mask, masked};
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;
use crate::weights::{Weight, Weights};

/// Parameters of a network and where they go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters<'a> {
    pub weights: &'a Weights,
    pub dimensions: &'a Dimensions,
}

impl<'a> Parameters<'a> {
    /// A linear layer's matrix as `[inputs, outputs]`.
    pub(crate) fn matrix(&self, name: &str, inputs: usize, outputs: usize) -> Result<Weight> {
        Ok(self.weights.get(&param_names::weight(name), &[outputs, inputs])?.transposed())
    }

    /// A linear layer's bias.
    pub(crate) fn bias(&self, name: &str, outputs: usize) -> Result<&'a Weight> {
        self.weights.get(&param_names::bias(name), &[outputs])
    }

    /// `x W + b` of a linear layer.
    pub(crate) fn linear(&self, g: &mut Graph, x: &str, name: &str, inputs: usize, outputs: usize) -> Result<String> {
        let (matrix, bias) = (self.matrix(name, inputs, outputs)?, self.bias(name, outputs)?);
        let (weight_name, bias_name) = (param_names::weight(name), param_names::bias(name));
        Ok(g.product(x, &Product { name: &weight_name, matrix: &matrix, bias: Some((&bias_name, bias)) }))
    }

    /// `x W` of a linear layer without a bias.
    pub(crate) fn projection(
        &self,
        g: &mut Graph,
        x: &str,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<String> {
        let matrix = self.matrix(name, inputs, outputs)?;
        Ok(g.product(x, &Product { name: &param_names::weight(name), matrix: &matrix, bias: None }))
    }

    /// `LN(x + y)` with the parameters `name.a_2` and `name.b_2`; see [`Graph::residual_norm`].
    pub(crate) fn norm(
        &self,
        g: &mut Graph,
        sum: (&str, &str, Option<(&str, &Weight)>),
        broadcast: bool,
        (name, width): (&str, usize),
    ) -> Result<String> {
        let (gain, shift) = (format!("{name}.a_2"), format!("{name}.b_2"));
        let (of_gain, of_shift) = (self.weights.get(&gain, &[width])?, self.weights.get(&shift, &[width])?);
        Ok(g.residual_norm(sum, broadcast, (&gain, of_gain), (&shift, of_shift)))
    }

    /// AttFlat over `x` `[batch, n, H]` → `[batch, 2 H]`.
    ///
    /// With it come the weights of the positions, `[batch, n]`.
    pub(crate) fn att_flat(&self, g: &mut Graph, x: &str, mask: &mut Mask, name: &str) -> Result<(String, String)> {
        let (h, inner) = (self.dimensions.hidden, self.dimensions.attflat);
        let scores = self.linear(g, x, &format!("{name}.mlp.fc.linear"), h, inner)?;
        let scores = g.node("Relu", &[&scores], vec![]);
        let scores = self.linear(g, &scores, &format!("{name}.mlp.linear"), inner, 1)?;
        // [batch, n, 1] → [batch, 1, n]: a row of weights, so that the weighted sum is one matrix product.
        let scores = g.transpose(&scores, &[0, 2, 1]);
        let presence = mask.presence(g);
        let presence = g.unsqueeze(&presence, &[1]);
        let masked = g.scalar(masked(g));
        let scores = g.node("Where", &[&presence, &scores, &masked], vec![]);
        let weights = g.node("Softmax", &[&scores], vec![("axis", Attribute::Int(-1))]);
        let pooled = g.node("MatMul", &[&weights, x], vec![]);
        let pooled = g.squeeze(&pooled, &[1]);
        let pooled = self.linear(g, &pooled, &format!("{name}.linear_merge"), h, 2 * h)?;
        Ok((pooled, g.squeeze(&weights, &[1])))
    }

    /// What the dual encoder itself gives, `[batch, width]` of length 1.
    ///
    /// It is of pooled states `[batch, 2 H]`, with `more` `[batch, width]` added.
    pub(crate) fn embedding(
        &self,
        g: &mut Graph,
        pooled: &str,
        name: &str,
        width: usize,
        more: Option<&str>,
    ) -> Result<String> {
        let mut embedded = self.linear(g, pooled, name, 2 * self.dimensions.hidden, width)?;
        if let Some(more) = more {
            embedded = g.node("Add", &[&embedded, more], vec![]);
        }
        // In 32 bits: a sum of squares.
        let embedded = g.cast(&embedded, Elem::F32);
        Ok(g.unit(&embedded))
    }
}
