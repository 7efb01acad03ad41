//! FFN: the feed-forward operation.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::nn::layers::{Linear, Mlp};
use crate::operations::kind::PlainKind;
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// FFN: Linear(H → k H), ReLU, dropout, Linear(k H → H).
#[derive(Debug)]
struct FeedForward {
    mlp: Mlp,
    norm: ResidualNorm,
}

/// Deep FFN: a layer before an FFN.
///
/// Linear(H → 2 H), ReLU, dropout, then Linear(2 H → 2 H), ReLU, dropout, Linear(2 H → H).
#[derive(Debug)]
struct DeepFeedForward {
    first: Linear,
    mlp: Mlp,
    norm: ResidualNorm,
}

pub(crate) const KINDS: [PlainKind; 6] = [
    PlainKind { name: "feed_forward", abbreviation: "FFN", build: FeedForward::build::<4> },
    PlainKind { name: "feed_forward_2", abbreviation: "FFN 2", build: FeedForward::build::<2> },
    PlainKind { name: "feed_forward_8", abbreviation: "FFN 8", build: FeedForward::build::<8> },
    PlainKind { name: "feed_forward_16", abbreviation: "FFN 16", build: FeedForward::build::<16> },
    PlainKind { name: "feed_forward_32", abbreviation: "FFN 32", build: FeedForward::build::<32> },
    PlainKind { name: "feed_forward_deep", abbreviation: "FFN deep", build: DeepFeedForward::build },
];

impl FeedForward {
    fn build<const FACTOR: usize>(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let mlp = Mlp::new(vs / "mlp", d.hidden, FACTOR * d.hidden, d.hidden);
        Box::new(FeedForward { mlp, norm: ResidualNorm::new(vs, d.hidden) })
    }
}

impl OperationModule for FeedForward {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let output = self.mlp.forward(&context.precision.operand(x), context.dropout);
        self.norm.forward(x, &output, context.dropout)
    }
}

impl DeepFeedForward {
    fn build(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let inner = 2 * d.hidden;
        Box::new(DeepFeedForward {
            first: Linear::new(vs / "fc" / "linear", d.hidden, inner, true),
            mlp: Mlp::new(vs / "mlp", inner, inner, d.hidden),
            norm: ResidualNorm::new(vs, d.hidden),
        })
    }
}

impl OperationModule for DeepFeedForward {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        let inner = context.dropout.apply(&self.first.forward(&context.precision.operand(x)).relu());
        self.norm.forward(x, &self.mlp.forward(&inner, context.dropout), context.dropout)
    }
}
