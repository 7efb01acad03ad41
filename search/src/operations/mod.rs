//! The operations that a block may be: one file each. Every operation ends in `LN(x + Dropout(op(x)))`.

mod attention;
mod feed_forward;
mod guided_attention;
mod relation_self_attention;
mod self_attention;

use mmnas_bundle::Operation;
use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::Precision;
pub use crate::dropout::Dropout;
use crate::relation::Projection;

/// What an operation may look at besides its input `x` `[batch, n, H]`.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// True where a position of `x` is padding, `[batch, 1, 1, n]`; none where nothing is.
    pub mask: Option<&'a Tensor>,
    /// The encoded text, `[batch, tokens, H]`; none inside the encoder.
    pub text: Option<&'a Tensor>,
    /// True where a token is padding, `[batch, 1, 1, tokens]`.
    pub text_mask: Option<&'a Tensor>,
    /// What the regions' relations add to this operation's scores, `[batch, heads, n, n]`; none where the operation has no
    /// [`OperationModule::relation_projection`], and inside the encoder.
    pub relation_bias: Option<&'a Tensor>,
    /// Dropout of this pass.
    pub dropout: Dropout,
    /// What the operation's matrix products are computed in.
    pub precision: Precision,
}

impl<'a> Context<'a> {
    /// Of an operation that looks at nothing but `x`.
    pub fn new(mask: Option<&'a Tensor>, dropout: Dropout, precision: Precision) -> Context<'a> {
        Context { mask, text: None, text_mask: None, relation_bias: None, dropout, precision }
    }
}

/// A trained operation.
pub trait OperationModule: std::fmt::Debug + Send {
    /// `LN(x + Dropout(op(x)))`, `[batch, n, H]`.
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor;

    /// Keys and values over the encoded text, each `[batch, heads, tokens, head width]`: what the text stage of a bundle
    /// keeps. None for operations that do not look at text.
    fn text_keys_values(&self, _text: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }

    /// The layer from projected relations to one number a head, `[heads, relation]` and `[heads]`: a network computes the
    /// biases of all its operations at once ([`crate::relation::biases`]) and gives each its own
    /// ([`Context::relation_bias`]). None for operations that do not look at relations.
    fn relation_projection(&self) -> Option<Projection<'_>> {
        None
    }
}

/// Makes the module of `operation` with its parameters under `vs`.
pub fn build(vs: &nn::Path<'_>, operation: Operation, dimensions: &Dimensions) -> Box<dyn OperationModule> {
    match operation {
        Operation::SelfAttention => Box::new(self_attention::SelfAttention::new(vs, dimensions)),
        Operation::RelationSelfAttention => {
            Box::new(relation_self_attention::RelationSelfAttention::new(vs, dimensions))
        }
        Operation::GuidedAttention => Box::new(guided_attention::GuidedAttention::new(vs, dimensions)),
        Operation::FeedForward => Box::new(feed_forward::FeedForward::new(vs, dimensions)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const DIMENSIONS: Dimensions = Dimensions {
        hidden: 64,
        feature: 1,
        embedding: 1,
        vocabulary: 1,
        outputs: 1,
        attflat: 1,
        head: 64,
        relation: 4,
    };

    fn randn(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// The fixtures of the published code run without dropout and could not tell.
    #[test]
    fn dropout_acts_on_attention_probabilities() {
        let store = nn::VarStore::new(Device::Cpu);
        let attention = attention::MultiHeadAttention::new(&store.root(), &DIMENSIONS);
        let x = randn(&[2, 5, 64]);
        let (keys, values) = attention.keys_values(&x);
        let of = |rate: f64| attention.forward(&x, (&keys, &values), None, None, Dropout(rate));
        assert!(of(0.0).equal(&of(0.0)) && !of(0.5).equal(&of(0.0)) && !of(0.5).equal(&of(0.5)));
    }

    #[test]
    fn dropout_acts_inside_the_ffn() {
        let store = nn::VarStore::new(Device::Cpu);
        let mlp = crate::layers::Mlp::new(store.root(), 64, 256, 64);
        let x = randn(&[2, 5, 64]);
        let of = |rate: f64| mlp.forward(&x, Dropout(rate));
        assert!(of(0.0).equal(&of(0.0)) && !of(0.5).equal(&of(0.0)) && !of(0.5).equal(&of(0.5)));
    }

    #[test]
    fn dropout_acts_on_the_output_of_every_operation() {
        for operation in Operation::DECODER {
            let store = nn::VarStore::new(Device::Cpu);
            let module = build(&store.root(), operation, &DIMENSIONS);
            // All features of x are 1, so where the operation's output is dropped, x + 0 is the same number: about half of
            // each row. Dropout inside the operation only changes the other numbers.
            let x = Tensor::ones([1, 40, 64], (Kind::Float, Device::Cpu));
            let (text, bias) = (randn(&[1, 40, 64]), randn(&[1, 1, 40, 40]));
            let most_common = |rate: f64| {
                let context = Context {
                    mask: None,
                    text: Some(&text),
                    text_mask: None,
                    relation_bias: Some(&bias),
                    dropout: Dropout(rate),
                    precision: Precision::Float32,
                };
                let row = Vec::<f32>::try_from(module.forward(&x, &context).get(0).get(7)).unwrap();
                row.iter().map(|v| row.iter().filter(|w| *w == v).count()).max().unwrap()
            };
            assert!(most_common(0.0) < 4, "{operation:?}");
            assert!((16..=48).contains(&most_common(0.5)), "{operation:?}");
        }
    }
}
