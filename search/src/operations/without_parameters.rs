//! Operations without parameters: skip, none, pooling.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::operations::kind::PlainKind;
use crate::operations::{Context, OperationModule};

/// Passes its input on, or zeros of its shape: neither parameters nor dropout nor LN.
#[derive(Debug)]
enum WithoutParameters {
    Identity,
    Zero,
}

pub(crate) const KINDS: [PlainKind; 2] = [
    PlainKind { name: "skip_connect", abbreviation: "skip", build: WithoutParameters::identity },
    PlainKind { name: "none", abbreviation: "none", build: WithoutParameters::zero },
];

impl WithoutParameters {
    fn identity(_vs: &nn::Path<'_>, _d: &Dimensions) -> Box<dyn OperationModule> {
        Box::new(WithoutParameters::Identity)
    }

    fn zero(_vs: &nn::Path<'_>, _d: &Dimensions) -> Box<dyn OperationModule> {
        Box::new(WithoutParameters::Zero)
    }
}

impl OperationModule for WithoutParameters {
    fn forward(&self, x: &Tensor, _context: &Context<'_>) -> Tensor {
        match self {
            WithoutParameters::Identity => x.shallow_clone(),
            // Not fresh zeros: what lies before keeps its place in the graph and gets a gradient,
            // zero.
            WithoutParameters::Zero => x * 0.0,
        }
    }
}
