use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use super::attention::MultiHeadAttention;
use super::{Context, OperationModule};
use crate::layers::LayerNorm;

/// GA: queries from regions, keys and values from the encoded text.
#[derive(Debug)]
pub(super) struct GuidedAttention {
    attention: MultiHeadAttention,
    norm: LayerNorm,
}

impl GuidedAttention {
    pub(super) fn new(vs: &nn::Path<'_>, d: &Dimensions) -> GuidedAttention {
        GuidedAttention {
            attention: MultiHeadAttention::new(&(vs / "mhatt"), d),
            norm: LayerNorm::new(vs / "ln", d.hidden),
        }
    }
}

impl OperationModule for GuidedAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        // Without text there is nothing to be guided by; the space keeps GA out of the encoder.
        let (queried, text) = (context.precision.operand(x), context.precision.operand(context.text.unwrap_or(x)));
        let (keys, values) = self.attention.keys_values(&text);
        let attended = self.attention.forward(&queried, (&keys, &values), None, context.text_mask, context.dropout);
        self.norm.forward(&(x + context.dropout.apply(&attended)))
    }

    fn text_keys_values(&self, text: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.attention.keys_values(text))
    }
}
