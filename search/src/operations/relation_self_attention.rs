use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::attention::MultiHeadAttention;
use super::{Context, OperationModule};
use crate::layers::{LayerNorm, Linear};
use crate::relation::Projection;

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
        let attended = self.attention.over_itself(x, context.relation_bias, context);
        self.norm.forward(&(x + context.dropout.apply(&attended)))
    }

    fn relation_projection(&self) -> Option<Projection<'_>> {
        self.relation.projection()
    }
}
