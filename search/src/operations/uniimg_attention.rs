//! Attention over text and regions together.

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Tensor, nn};

use crate::operations::attention::MultiHeadAttention;
use crate::operations::kind::{AttentionKind, LooksAt};
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// Attention of regions over regions and encoded text together.
///
/// The published code masks nothing here. Ours masks padded regions and padded tokens, so that
/// padding changes no result.
#[derive(Debug)]
struct UniimgAttention {
    attention: MultiHeadAttention,
    norm: ResidualNorm,
}

const fn kind(name: &'static str, abbreviation: &'static str, heads: Heads) -> AttentionKind {
    AttentionKind { name, abbreviation, heads, looks_at: LooksAt::Text, build: UniimgAttention::build }
}

pub(crate) const KINDS: [AttentionKind; 3] = [
    kind("uniimg_att_32", "UA 32", Heads::of_width(32, 1)),
    kind("uniimg_att_64", "UA 64", Heads::of_width(64, 1)),
    kind("uniimg_att_128", "UA 128", Heads::of_width(128, 1)),
];

impl UniimgAttention {
    fn build(vs: &nn::Path<'_>, d: &Dimensions, heads: Heads) -> Box<dyn OperationModule> {
        let attention = MultiHeadAttention::new(&(vs / "mhatt"), d, heads);
        Box::new(UniimgAttention { attention, norm: ResidualNorm::new(vs, d.hidden) })
    }
}

/// Masks of `x` and text side by side, `[batch, 1, 1, n + tokens]`.
///
/// None if nothing is padding.
fn joint_mask(x: &Tensor, text: &Tensor, context: &Context<'_>) -> Option<Tensor> {
    if context.mask.is_none() && context.text_mask.is_none() {
        return None;
    }
    let part = |positions: &Tensor, mask: Option<&Tensor>| match mask {
        Some(mask) => mask.shallow_clone(),
        None => Tensor::zeros([positions.size()[0], 1, 1, positions.size()[1]], (Kind::Bool, positions.device())),
    };
    Some(Tensor::cat(&[part(x, context.mask), part(text, context.text_mask)], -1))
}

impl OperationModule for UniimgAttention {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        // Without text only the input is left; the space keeps this operation out of the encoder.
        let mask =
            context.text.map_or_else(|| context.mask.map(Tensor::shallow_clone), |text| joint_mask(x, text, context));
        let both = context.text.map_or_else(|| x.shallow_clone(), |text| Tensor::cat(&[x, text], 1));
        let (queried, both) = (context.precision.operand(x), context.precision.operand(&both));
        let (keys, values) = self.attention.keys_values(&both);
        let attended = self.attention.forward(&queried, (&keys, &values), None, mask.as_ref(), context.dropout);
        self.norm.forward(x, &attended, context.dropout)
    }

    fn text_keys_values(&self, text: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.attention.keys_values(text))
    }
}
