use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::attention::MultiHeadAttention;
use super::{Context, OperationModule};
use crate::layers::LayerNorm;

/// SA: attention of `x` over itself.
#[derive(Debug)]
pub(super) struct SelfAttention {
    attention: MultiHeadAttention,
    norm: LayerNorm,
}

impl SelfAttention {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> SelfAttention {
        SelfAttention {
            attention: MultiHeadAttention::new(&(vs / "mhatt"), d),
            norm: LayerNorm::new(vs / "ln", d.hidden),
        }
    }
}

impl OperationModule for SelfAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let attended = self.attention.over_itself(x, None, context);
        self.norm.forward(&(x + context.dropout.apply(&attended)))
    }
}
