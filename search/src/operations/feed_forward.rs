use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::{Context, OperationModule};
use crate::layers::{LayerNorm, Mlp};

/// FFN: Linear(H → 4 H), ReLU, dropout, Linear(4 H → H).
#[derive(Debug)]
pub(super) struct FeedForward {
    mlp: Mlp,
    norm: LayerNorm,
}

impl FeedForward {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> FeedForward {
        FeedForward {
            mlp: Mlp::new(vs / "mlp", d.hidden, 4 * d.hidden, d.hidden),
            norm: LayerNorm::new(vs / "ln", d.hidden),
        }
    }
}

impl OperationModule for FeedForward {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let output = self.mlp.forward(&context.precision.operand(x), context.dropout);
        self.norm.forward(&(x + context.dropout.apply(&output)))
    }
}
