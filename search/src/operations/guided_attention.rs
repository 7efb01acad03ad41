//! GA: regions attend to the text.

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::operations::attention::MultiHeadAttention;
use crate::operations::kind::{AttentionKind, LooksAt};
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// GA: queries from regions, keys and values from the encoded text.
#[derive(Debug)]
struct GuidedAttention {
    attention: MultiHeadAttention,
    norm: ResidualNorm,
}

const fn kind(name: &'static str, abbreviation: &'static str, heads: Heads) -> AttentionKind {
    AttentionKind { name, abbreviation, heads, looks_at: LooksAt::Text, build: GuidedAttention::build }
}

pub(crate) const KINDS: [AttentionKind; 6] = [
    kind("guided_att_64", "GA", Heads::OF_NETWORK),
    kind("guided_att_16", "GA 16", Heads::of_width(16, 1)),
    kind("guided_att_32", "GA 32", Heads::of_width(32, 1)),
    kind("guided_att_128", "GA 128", Heads::of_width(128, 1)),
    kind("guided_att_256", "GA 256", Heads::of_width(256, 1)),
    kind("guided_att_64_2", "GA 64x2", Heads::of_width(64, 2)),
];

impl GuidedAttention {
    fn build(vs: &nn::Path<'_>, d: &Dimensions, heads: Heads) -> Box<dyn OperationModule> {
        let attention = MultiHeadAttention::new(&(vs / "mhatt"), d, heads);
        Box::new(GuidedAttention { attention, norm: ResidualNorm::new(vs, d.hidden) })
    }
}

impl OperationModule for GuidedAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        // Without text there is nothing to be guided by; the space keeps GA out of the encoder.
        let (queried, text) = (context.precision.operand(x), context.precision.operand(context.text.unwrap_or(x)));
        let (keys, values) = self.attention.keys_values(&text);
        let attended = self.attention.forward(&queried, (&keys, &values), None, context.text_mask, context.dropout);
        self.norm.forward(x, &attended, context.dropout)
    }

    fn text_keys_values(&self, text: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.attention.keys_values(text))
    }
}
