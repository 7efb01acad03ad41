//! RSA: self-attention with a bias from the regions' relations.

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::nn::layers::Linear;
use crate::nn::relation::Projection;
use crate::operations::attention::MultiHeadAttention;
use crate::operations::kind::{AttentionKind, LooksAt};
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// RSA: self-attention with a bias from the regions' relations.
///
/// The scores get `log(max(ReLU(W_r · r + b_r), 1e-6))` added, one number a head and pair.
#[derive(Debug)]
struct RelationSelfAttention {
    attention: MultiHeadAttention,
    relation: Linear,
    norm: ResidualNorm,
}

const fn kind(name: &'static str, abbreviation: &'static str, heads: Heads) -> AttentionKind {
    AttentionKind { name, abbreviation, heads, looks_at: LooksAt::Relations, build: RelationSelfAttention::build }
}

pub(crate) const KINDS: [AttentionKind; 5] = [
    kind("rel_self_att_64", "RSA", Heads::OF_NETWORK),
    kind("rel_self_att_16", "RSA 16", Heads::of_width(16, 1)),
    kind("rel_self_att_32", "RSA 32", Heads::of_width(32, 1)),
    kind("rel_self_att_128", "RSA 128", Heads::of_width(128, 1)),
    kind("rel_self_att_256", "RSA 256", Heads::of_width(256, 1)),
];

impl RelationSelfAttention {
    fn build(vs: &nn::Path<'_>, d: &Dimensions, heads: Heads) -> Box<dyn OperationModule> {
        Box::new(RelationSelfAttention {
            attention: MultiHeadAttention::new(&(vs / "mhatt"), d, heads),
            relation: Linear::new(
                vs / "mhatt" / "linear_r",
                d.relation,
                heads.of(d.hidden, d.head).map_or(0, |(count, _)| count),
                true,
            ),
            norm: ResidualNorm::new(vs, d.hidden),
        })
    }
}

impl OperationModule for RelationSelfAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let attended = self.attention.over_itself(x, context.relation_bias, context);
        self.norm.forward(x, &attended, context.dropout)
    }

    fn relation_projection(&self) -> Option<Projection<'_>> {
        self.relation.projection()
    }
}
