//! GLU: a gated linear unit.

use mmnas_bundle::manifest::Dimensions;
use tch::{Tensor, nn};

use crate::nn::dropout::Dropout;
use crate::nn::layers::Linear;
use crate::operations::kind::PlainKind;
use crate::operations::residual_norm::ResidualNorm;
use crate::operations::{Context, OperationModule};

/// Gated linear unit: GLU(a, b) = a · sigmoid(b).
///
/// One linear layer of twice the width gives both; its second half `b` gates its first half `a`.
#[derive(Debug)]
struct GatedUnit(Linear);

impl GatedUnit {
    fn new(vs: nn::Path<'_>, inputs: usize, outputs: usize) -> GatedUnit {
        GatedUnit(Linear::new(vs / "linear", inputs, 2 * outputs, true))
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.forward(x).glu(-1)
    }
}

/// GLU operation: one gated unit H → H, or two.
///
/// Two are H → 2 H and 2 H → H, with a ReLU and dropout between.
#[derive(Debug)]
struct GatedLinear {
    first: GatedUnit,
    second: Option<GatedUnit>,
    norm: ResidualNorm,
}

pub(crate) const KINDS: [PlainKind; 2] = [
    PlainKind { name: "gated_linear_1", abbreviation: "GLU 1", build: GatedLinear::build_one },
    PlainKind { name: "gated_linear_2", abbreviation: "GLU 2", build: GatedLinear::build_two },
];

impl GatedLinear {
    fn build_one(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let first = GatedUnit::new(vs / "unit", d.hidden, d.hidden);
        Box::new(GatedLinear { first, second: None, norm: ResidualNorm::new(vs, d.hidden) })
    }

    fn build_two(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn OperationModule> {
        let inner = 2 * d.hidden;
        let first = GatedUnit::new(vs / "unit_0", d.hidden, inner);
        let second = Some(GatedUnit::new(vs / "unit_1", inner, d.hidden));
        Box::new(GatedLinear { first, second, norm: ResidualNorm::new(vs, d.hidden) })
    }

    fn gated(&self, x: &Tensor, dropout: Dropout) -> Tensor {
        let y = self.first.forward(x);
        match &self.second {
            Some(second) => second.forward(&dropout.apply(&y.relu())),
            None => y,
        }
    }
}

impl OperationModule for GatedLinear {
    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Tensor {
        self.norm.forward(x, &self.gated(&context.precision.operand(x), context.dropout), context.dropout)
    }
}
