use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::attention::MultiHeadAttention;
use super::{Context, OperationModule};
use crate::layers::{LayerNorm, Linear};

/// The smallest relation before its logarithm (published).
const MIN_RELATION: f64 = 1e-6;

/// RSA: self-attention whose scores get `log(max(ReLU(W_r · r + b_r), 1e-6))` added, one number a head and pair.
#[derive(Debug)]
pub(super) struct RelationSelfAttention {
    attention: MultiHeadAttention,
    relation: Linear,
    norm: LayerNorm,
}

impl RelationSelfAttention {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> RelationSelfAttention {
        RelationSelfAttention {
            attention: MultiHeadAttention::new(&(vs / "mhatt"), d),
            relation: Linear::new(vs / "mhatt" / "linear_r", d.relation, d.heads(), true),
            norm: LayerNorm::new(vs / "ln", d.hidden),
        }
    }
}

impl OperationModule for RelationSelfAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let bias = context.relations.and_then(|relations| self.relation_bias(relations));
        let (keys, values) = self.attention.keys_values(x);
        let attended = self.attention.forward(x, (&keys, &values), bias.as_ref(), context.mask, context.dropout);
        self.norm.forward(&(x + context.dropout.apply(&attended)))
    }

    fn relation_bias(&self, relations: &Tensor) -> Option<Tensor> {
        Some(self.relation.forward(relations).permute([0, 3, 1, 2]).relu().clamp_min(MIN_RELATION).log())
    }
}
