//! SA: self-attention.

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::operations::attention::MultiHeadAttention;
use crate::operations::kind::{AttentionKind, LooksAt};
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// SA: attention of `x` over itself.
#[derive(Debug)]
struct SelfAttention {
    attention: MultiHeadAttention,
    norm: ResidualNorm,
}

const fn kind(name: &'static str, abbreviation: &'static str, heads: Heads) -> AttentionKind {
    AttentionKind { name, abbreviation, heads, looks_at: LooksAt::Itself, build: SelfAttention::build }
}

pub(crate) const KINDS: [AttentionKind; 6] = [
    kind("self_att_64", "SA", Heads::OF_NETWORK),
    kind("self_att_16", "SA 16", Heads::of_width(16, 1)),
    kind("self_att_32", "SA 32", Heads::of_width(32, 1)),
    kind("self_att_128", "SA 128", Heads::of_width(128, 1)),
    kind("self_att_256", "SA 256", Heads::of_width(256, 1)),
    kind("self_att_64_2", "SA 64x2", Heads::of_width(64, 2)),
];

impl SelfAttention {
    fn build(vs: &nn::Path<'_>, d: &Dimensions, heads: Heads) -> Box<dyn OperationModule> {
        let attention = MultiHeadAttention::new(&(vs / "mhatt"), d, heads);
        Box::new(SelfAttention { attention, norm: ResidualNorm::new(vs, d.hidden) })
    }
}

impl OperationModule for SelfAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let attended = self.attention.over_itself(x, None, context);
        self.norm.forward(x, &attended, context.dropout)
    }
}
